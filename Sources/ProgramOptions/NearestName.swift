/// Finds the known option that is closest to an unknown one.
package enum NearestName {
  /// Names that other programs use, each with this package's names for it, the likeliest first.
  private static let synonyms: [String: [String]] = {
    var synonyms: [String: [String]] = [:]
    for (names, others) in [
      (["learning-rate"], "lr eta alpha step-size rate"), (["batch-size"], "bs batch b minibatch"),
      (["weight-decay"], "wd l2 decay"), (["momentum"], "mu beta beta1"),
      (["model"], "model-file arch architecture net network"),
      (["dataset"], "data data-path data-dir train-data train input"),
      (["test-csv"], "test-data val-data validation-data"),
      (["steps"], "iters iterations max-steps num-steps max-iters"),
      (["epochs"], "num-epochs max-epochs n-epochs"),
      (
        ["run-directory", "output", "out"],
        """
        output-dir out-dir save-dir log-dir logdir run-dir checkpoint-dir dir directory o output out
        """
      ),
      (["save-every-steps"], "save-every save-steps save-interval checkpoint-every checkpoint"),
      (["keep-last"], "save-total-limit keep"), (["optimizer"], "opt optim"),
      (["clip-norm"], "clip grad-clip clip-grad gradient-clip clip-grad-norm max-grad-norm"),
      (["warm-up-steps"], "warmup warmup-steps warm-up"),
      (["schedule"], "scheduler lr-schedule lr-scheduler learning-rate-schedule"),
      (["damping"], "lambda damp eps epsilon"), (["gradients", "window"], "m num-grads n-grads"),
      (["window"], "window-size history"), (["window-type"], "dtype precision"),
      (["window-density"], "density"), (["seed"], "random-seed rng-seed manual-seed"),
      (
        ["micro-batches"],
        "accumulation-steps gradient-accumulation-steps grad-accum accum num-micro-batches"
      ),
      (["evaluate-every"], "eval-every eval-interval eval-steps"),
      (["resume"], "resume-from resume-from-checkpoint restart continue load"),
      (
        ["weights"], "init init-weights pretrained load-weights checkpoint ckpt"
      ),
      (["overwrite"], "force clobber overwrite-output-dir f"), (["progress"], "verbose quiet v q"),
      (["sparsity"], "target-sparsity amount ratio prune-ratio"), (["masks"], "mask"),
      (["target"], "label label-column"), (["loss"], "criterion loss-function"),
      (["config"], "cfg config-file"), (["dry-run"], "dry dryrun n"),
      (["context-length"], "seq-len sequence-length block-size"),
    ] {
      for other in others.split(separator: " ") { synonyms[String(other), default: []] += names }
    }
    return synonyms
  }()

  /// Returns the known name that `name` most likely means, or nil if none is close. It tries, in
  /// this order: another spelling, a synonym, initials, a small edit distance, a prefix, shared
  /// words.
  ///
  /// - Parameters:
  ///   - name: the unknown name, without leading dashes.
  ///   - known: the known names, without leading dashes.
  package static func of(_ name: String, among known: [String]) -> String? {
    // learningRate and learning_rate become learning-rate.
    let words = name.reduce(into: "") { text, letter in
      text += letter == "_" ? "-" : letter.isUppercase ? "-\(letter.lowercased())" : "\(letter)"
    }.split(separator: "-").map(String.init)
    let plain = words.joined(separator: "-")
    if known.contains(plain) { return plain }
    if let synonym = synonyms[plain]?.first(where: known.contains) { return synonym }
    func only(_ isMeant: (String) -> Bool) -> String? {
      let found = Set(known.filter(isMeant))
      return found.count == 1 ? found.first : nil
    }
    if let initials = only({ name in
      let initials = name.split(separator: "-").compactMap(\.first)
      return initials.count > 1 && String(initials) == plain
    }) {
      return initials
    }
    let limit = max(1, plain.count / 4)
    let distances = known.map { ($0, distance(Array(plain), Array($0))) }
    if let nearest = distances.min(by: { $0.1 < $1.1 }), nearest.1 <= limit { return nearest.0 }
    if plain.count > 2, let whole = only({ $0.hasPrefix(plain) }) { return whole }
    // The name that shares the most words; words of up to three letters do not count.
    let shared = known.map { other in
      (other, other.split(separator: "-").count { $0.count > 3 && words.contains(String($0)) })
    }
    guard let most = shared.map(\.1).max(), most > 0 else { return nil }
    return shared.filter { $0.1 == most }.min { $0.0.count < $1.0.count }?.0
  }

  /// Returns the number of letters to insert, delete or replace to turn `a` into `b` (Levenshtein,
  /// 1966).
  ///
  /// - Complexity: O(|a|·|b|).
  private static func distance(_ a: [Character], _ b: [Character]) -> Int {
    // row[j]: distance of the letters of a seen so far from the first j letters of b.
    var row = Array(0...b.count)
    for (i, letter) in a.enumerated() {
      var diagonal = row[0]
      row[0] = i + 1
      for (j, other) in b.enumerated() {
        let changed = diagonal + (letter == other ? 0 : 1)
        diagonal = row[j + 1]
        row[j + 1] = min(changed, row[j] + 1, row[j + 1] + 1)
      }
    }
    return row[b.count]
  }
}
