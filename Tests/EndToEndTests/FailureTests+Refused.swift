extension FailureTests {
  /// Runs that must be refused, with texts that the message must contain. FILE is replaced by a
  /// file with the text.
  static let refused: [(arguments: [String], file: String, says: [String])] = [
    (["--window", "0"], "", ["--window", "0"]),
    (["--windows", "5"], "", ["--windows"]),
    (["--learning-rate", "fast"], "", ["fast", "--learning-rate"]),
    (["--damping", "-1"], "", ["--damping", "-1"]),
    (["--damping", "--window"], "", ["--damping", "--window"]),
    (["--window-type", "float16"], "", ["--window-type", "float16", "bfloat16"]),
    (["--window-density", "0"], "", ["--window-density", "in (0, 1]", "0.0"]),
    (["--window-density", "1.5"], "", ["--window-density", "in (0, 1]", "1.5"]),
    (["--window-density", "nan"], "", ["--window-density", "in (0, 1]", "nan"]),
    (["--momentum", "1"], "", ["--momentum", "in [0, 1)"]),
    (["--clip-norm", "0"], "", ["--clip-norm", "> 0"]),
    (["--insert-every", "0"], "", ["--insert-every", "in 1..."]),
    (["--precondition-every", "-2"], "", ["--precondition-every", "-2"]),
    (["--damping-schedule", "linear"], "", ["--damping-schedule", "--damping-final", "linear"]),
    (["--damping-final", "1"], "", ["--damping-final", "exponential", "got constant"]),
    (["--damping-schedule", "cosine"], "", ["cosine", "levenberg-marquardt"]),
    (["--damping-every", "0"], "", ["--damping-every"]),
    (
      ["--damping-schedule", "levenberg-marquardt", "--damping-minimum", "10"], "",
      ["--damping", "--damping-minimum 10.0", "got 1.0"]
    ),
    (["--cg-tolerance", "1"], "", ["--cg-tolerance", "in (0, 1)", "1.0"]),
    (["--cg-iterations", "0"], "", ["--cg-iterations", "in 1...", "0"]),
    (["--cg-operator", "hessian"], "", ["--cg-operator", "hessian", "factored", "fisher"]),
    (["--solver", "lu"], "", ["--solver", "lu", "cholesky", "cg"]),
    (
      ["--optimizer", "kfac", "--step", "adaptive", "--kl-clip", "1"], "",
      ["--kl-clip", "none with --step adaptive", "1.0"]
    ),
    (
      ["--optimizer", "kfac", "--damping-form", "exact"], "",
      ["--damping-form", "--solver eigen or cg", "cholesky"]
    ),
    (
      ["--optimizer", "kfac", "--solver", "cg", "--damping-form", "same"], "",
      ["--damping-form", "exact with --solver cg", "same"]
    ),
    (
      ["--optimizer", "kfac", "--solver", "cg", "--factor-every", "5"], "",
      ["--factor-every", "1 with --solver cg", "5"]
    ),
    (
      ["--optimizer", "kfac", "--solver", "cg", "--config", "FILE"], "kfac-grad-workers: 0.5\n",
      ["--kfac-grad-workers", "1 with --solver cg", "0.5"]
    ),
    (
      [
        "--optimizer", "kfac", "--solver", "cg", "--cg-operator", "fisher", "--fisher",
        "forward-only",
      ], "",
      ["--cg-operator", "factored with --fisher forward-only", "fisher"]
    ),
    (["--config", "FILE"], "window: 5\nsparse: perhaps\n", ["FILE:2", "sparse", "true or false"]),
    (["--sparse"], "", ["--sparse", "--weights"]),
    (["--sparsity", "1"], "", ["--sparsity", "in [0, 1)", "1.0"]),
    (["--sparsity", "nan"], "", ["--sparsity", "in [0, 1)", "nan"]),
    (["--prune-begin", "5"], "", ["--prune-begin", "--sparsity or --regrow as well", "5"]),
    (["--cycle"], "", ["--cycle", "--sparsity without --regrow"]),
    (["--regrow", "random"], "", ["--regrow random", "--sparsity, or masks", "neither"]),
    (["--regrow", "often"], "", ["--regrow", "often", "random", "marginal"]),
    (
      ["--sparsity", "0.5", "--regrow", "random", "--prune-schedule", "cubic"], "",
      ["--prune-schedule", "no --regrow", "cubic"]
    ),
    (
      ["--sparsity", "0.5", "--regrow", "random", "--cycle"], "",
      ["--cycle", "--sparsity without --regrow"]
    ),
    (
      ["--sparsity", "0.5", "--regrow", "random", "--regrow-share", "0"], "",
      ["--regrow-share", "in (0, 1)", "0.0"]
    ),
    (["--sparsity", "0.5", "--regrow-share", "0.2"], "", ["--regrow-share", "--regrow as well"]),
    (["--prune-schedule", "0.5,0.4"], "", ["--prune-schedule", "increasing", "0.5,0.4"]),
    (["--prune-schedule", "0.5,1"], "", ["--prune-schedule", "[0, 1)", "0.5,1.0"]),
    (["--prune-schedule", "often"], "", ["--prune-schedule", "often"]),
    (
      ["--prune-schedule", "0.5,0.8", "--sparsity", "0.9"], "",
      ["--sparsity", "the last of --prune-schedule, 0.8", "0.9"]
    ),
    (
      ["--prune-schedule", "0.5", "--prune-end", "9"], "", ["--prune-end", "none with a list", "9"]
    ),
    (["--sparsity", "0.5", "--prune-every", "0"], "", ["--prune-every", "in 1...", "0"]),
    (["--sparsity", "0.5", "--prune-every", "2weeks"], "", ["--prune-every", "2weeks"]),
    (
      ["--sparsity", "0.5", "--steps", "50", "--prune-begin", "40", "--prune-end", "30"], "",
      ["--prune-begin", "at most --prune-end, step 30", "step 40"]
    ),
    (
      ["--sparsity", "0.5", "--steps", "50", "--prune-end", "50", "--prune-every", "10"], "",
      ["--prune-end", "before its last, 50", "50"]
    ),
    (
      [
        "--sparsity", "0.5", "--steps", "50", "--prune-every", "10", "--scope", "uniform",
        "--max-tensor-sparsity", "0.4",
      ], "", ["sparsity of 0.5", "'0.weight'", "at most", "0.4"]
    ),
    (
      ["--sparsity", "0.5", "--steps", "50", "--prune-every", "10", "--include", "fc.*"], "",
      ["--include", "'fc.*'", "0.weight"]
    ),
    (
      [
        "--sparsity", "0.5", "--steps", "50", "--prune-every", "10", "--prune-method", "mfac",
        "--prune-gradient-batch", "5000",
      ], "", ["--prune-gradient-batch", "1 to 1437", "5000"]
    ),
    (["--sparsity", "0.5", "--prune-damping", "0"], "", ["--prune-damping", "> 0", "0.0"]),
    (["--masks", "/nowhere.safetensors"], "", ["/nowhere.safetensors"]),
    (["--masks", "FILE"], "nonsense", ["FILE"]),
    (
      ["--masks", "FILE", "--sparse", "--weights", "w.safetensors"], "",
      ["--masks", "no --sparse"]
    ),
    (["--config", "FILE"], "include: {a: b}\n", ["FILE:1", "include", "one value, or a list"]),
    (["--config", "FILE"], "groups: {match: '*'}\n", ["FILE:1", "groups", "list"]),
    (["--config", "FILE"], "window: 5\ngroups:\n- {mfac: false}\n", ["FILE:3", "match"]),
    (
      ["--config", "FILE"], "groups:\n- {match: '*', learning-rates: 1}\n",
      ["FILE:2", "learning-rates", "learning-rate, weight-decay, mfac"]
    ),
    (
      ["--config", "FILE"], "groups:\n- {match: *.bias}\n", ["FILE:2", "not YAML", "quote a value"]
    ),
    (["--config", "FILE"], "groups: [{match: '*', mfac: maybe}]\n", ["FILE:1", "mfac", "maybe"]),
    (["--config", "FILE"], "groups: [{match: '*', learning-rate: -1}]\n", ["FILE:1", "-1"]),
    (
      ["--config", "FILE"], "groups: [{match: 'fc.*'}]\n",
      ["groups", "'fc.*'", "0.weight, 0.bias, 3.weight"]
    ),
    (
      ["--config", "FILE"], "groups: [{match: '*'}, {match: '*.bias'}]\n",
      ["'*.bias'", "an earlier group"]
    ),
    (["--config", "FILE"], "groups: [{match: '*', mfac: false}]\n", ["groups", "sgd"]),
    (
      ["--config", "FILE", "--learning-rate", "0"],
      "groups: [{match: '*.bias', learning-rate: 1}]\n",
      ["'*.bias'", "--learning-rate > 0"]
    ),
    (["--input-scale", "255"], "", ["--input-scale", "1/255"]),
    (["--batch-size", "60"], "", ["--batch-size", "multiple of --micro-batches, 8", "60"]),
    (["--batch-size", "8000"], "", ["8000", "1437"]),
    (["--epochs", "1", "--steps", "1"], "", ["--epochs", "--steps"]),
    (["--dataset", "cifar11"], "", ["cifar11", "fashion-mnist"]),
    (["--dataset", "idx:/nowhere"], "", ["/nowhere"]),
    (["--model", "/nowhere.yaml"], "", ["/nowhere.yaml"]),
    (["--weights", "/nowhere.safetensors"], "", ["/nowhere.safetensors"]),
    (["--weights", "FILE"], "nonsense", ["FILE"]),
    (["--config", "FILE"], "windows: 5\n", ["FILE", "windows", "window"]),
    (["--config", "FILE"], "window: many\n", ["FILE", "many"]),
    (["--config", "FILE"], "window: [5]\n", ["FILE", "window"]),
    (["--config", "FILE"], "window: 5\nwindow: 6\n", ["FILE", "window"]),
    (["--config", "FILE"], "[", ["FILE"]),
    (["--config", "/nowhere.yaml"], "", ["/nowhere.yaml"]),
    (
      ["--model", "FILE"],
      "input: [1, 8, 8]\nlayers:\n  - flatten\n  - lineal: {in: 64, out: 10}\n",
      ["FILE", "lineal", "linear"]
    ),
    (
      ["--model", "FILE"],
      "input: [1, 8, 8]\nlayers:\n  - flatten\n  - linear: {in: 63, out: 10}\n",
      ["FILE", "63", "64"]
    ),
    (["--model", "FILE"], "input: [63]\nlayers:\n  - linear: {in: 63, out: 10}\n", ["63", "64"]),
    (["--model", "FILE"], "input: [64]\nlayers:\n  - linear: {in: 64, out: 9}\n", ["9", "10"]),
    (["--window", "1000000"], "", ["available", "--window"]),
    (["--batch-size", "-128"], "", ["--batch-size", "-128"]),
    (["--epochs", "922337203685477580"], "", ["--epochs", "922337203685477580"]),
    (["--model", "cnnn"], "", ["cnnn", "mlp, cnn"]),
    (["--model", "/dev/zero"], "", ["/dev/zero", "regular file"]),
    (["--run-directory", ""], "", ["--run-directory", "empty"]),
    (
      // More gradients than parameters: their Gram matrix is singular.
      ["--model", "FILE", "--damping", "1e-300", "--steps", "120", "--batch-size", "8"],
      "input: [64]\nlayers: [{linear: {in: 64, out: 1}}, {linear: {in: 1, out: 10}}]",
      ["λ = ", "is too small", "--damping", "--window"]
    ),
  ]
}
