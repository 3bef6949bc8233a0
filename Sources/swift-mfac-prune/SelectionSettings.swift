import ArgumentParser
import Formats
import Foundation
import ProgramOptions
import Pruning
import Sharding
import Training

/// The options that select how many weights to remove, and which.
struct SelectionSettings: ParsableArguments {
  enum ScopeName: String, CaseIterable, ExpressibleByArgument {
    case global, uniform
    case perTensor = "per-tensor"
  }

  @Option var method: PruningMethod

  @Option(
    parsing: .unconditional,
    help: .init("Fraction of the prunable weights to remove, in [0, 1).", valueName: "s"))
  var sparsity: Double?

  @Option(
    parsing: .unconditional,
    help: .init(
      "Several increasing sparsities, each pruned from the given weights: 0.5,0.9,0.98.",
      valueName: "list"))
  var sweep: NumberList?

  @Option(
    help: """
      Weights that compete for removal: all (global), those of one tensor at the same sparsity \
      (uniform), or at the sparsities of --tensor-sparsity (per-tensor).
      """)
  var scope = ScopeName.global

  @Option(
    parsing: .singleValue,
    help: .advanced(
      """
      PATTERN=SPARSITY for the tensors whose names match; may be repeated, the first match counts. \
      The other tensors share the remaining sparsity. (per-tensor)
      """, valueName: "rule"))
  var tensorSparsity: [TensorSparsity] = []

  @Option var maxTensorSparsity: Double

  @Option(
    help: """
      Sparsity pattern: unstructured; 2:4 keeps 2 of every 4 consecutive inputs; 1x4, 4x1 and so \
      on remove blocks of outputs × inputs; channels removes whole outputs (--exclude the last \
      layer).
      """)
  var pattern = Pattern.unstructured

  @Option(
    parsing: .unconditional,
    help: .init("Reach the sparsity in K stages, with new gradients after each.", valueName: "k"))
  var stages = 1

  @Option(
    help: .advanced(
      """
      Unit of --sparsity and --sweep: prunable weights, or their multiply-adds for an example \
      (flops).
      """, valueName: "unit"))
  var sparsityOf = Selection.Budget.weights

  @Option(
    help: .advanced(
      """
      flops divides each saliency by the multiply-adds that its weight costs. Best with \
      --sparsity-of flops: with a fraction of weights, convolutions may lose all of theirs.
      """, valueName: "by"))
  var weigh = Selection.Weighing.none

  enum Choice: String, CaseIterable, ExpressibleByArgument {
    case topK = "top-k"
    case greedy, exchange, iht
  }

  @Option(
    help: """
      Selection: top-k judges all weights once; greedy selects in --greedy-steps parts, each \
      judged after the ones before; exchange and iht (mfac only) then swap removed and kept \
      weights while the model's minimum falls.
      """)
  var select = Choice.topK

  @Option(
    parsing: .unconditional,
    help: .advanced(
      "Number of parts of the selection, in each stage. (default: 16 with greedy, else 1)",
      valueName: "count"))
  var greedySteps: Int?

  init() {
    _method = PruningOptions.method(of: .prune)
    _maxTensorSparsity = PruningOptions.maxTensorSparsity(of: .prune)
  }

  func validate() throws {
    try require("--stages", in: 1...10_000, stages)
    if let greedySteps {
      try require("--greedy-steps", in: 1...10_000, greedySteps)
      try require(
        select != .topK, "--greedy-steps", "--select greedy, exchange or iht as well", greedySteps)
    }
    if improvement != .none {
      try require(
        method == .mfac, "--select", "\(select.rawValue) only with --method mfac",
        "--method \(method.rawValue)")
      try require(
        pattern == .unstructured, "--select",
        "\(select.rawValue) only with --pattern unstructured", "--pattern \(pattern)")
      for (flag, value) in [("--weigh", weigh.rawValue), ("--sparsity-of", sparsityOf.rawValue)]
      where value == "flops" {
        try require(false, "--select", "\(select.rawValue) without \(flag) flops", "both")
      }
    }
    try require(
      pattern.sparsity == nil || (stages == 1 && select == .topK), "--pattern",
      "one that does not fix the sparsity, with --stages or --select \(select.rawValue)", pattern)
    if let given = pattern.sparsity {
      for (flag, value) in [
        ("--sparsity", sparsity.map { "\($0)" }), ("--sweep", sweep?.description),
      ] where value != nil {
        try require(
          false, flag, "none with --pattern \(pattern), whose sparsity is \(given)", value!)
      }
      try require(
        scope == .global, "--scope", "none with --pattern \(pattern)", scope.rawValue)
    } else {
      try require(
        (sparsity == nil) != (sweep == nil), "--sparsity", "either --sparsity or --sweep",
        sparsity == nil ? "neither" : "both")
    }
    try require(
      sparsityOf == .weights || (scope == .global && pattern.sparsity == nil), "--sparsity-of",
      "weights with --scope \(scope.rawValue) and --pattern \(pattern)", sparsityOf.rawValue)
    try PruningOptions.check(sparsity: sparsity, sparsities: sweep?.values, list: "--sweep")
    try PruningOptions.check(maxTensorSparsity: maxTensorSparsity)
    try require(
      tensorSparsity.isEmpty == (scope != .perTensor), "--tensor-sparsity",
      scope == .perTensor ? "a rule with --scope per-tensor" : "none without --scope per-tensor",
      tensorSparsity.isEmpty ? "none" : tensorSparsity[0].description)
  }

  /// The settings by option name, for the report.
  var described: [String: String] {
    var settings = [
      "scope": scope.rawValue, "pattern": "\(pattern)", "weigh": weigh.rawValue,
      "sparsity-of": sparsityOf.rawValue,
      "stages": "\(stages)", "max-tensor-sparsity": "\(maxTensorSparsity)",
      "select": select.rawValue,
    ]
    if select != .topK { settings["greedy-steps"] = "\(parts)" }
    if scope == .perTensor {
      settings["tensor-sparsity"] = tensorSparsity.map(\.description).joined(separator: " ")
    }
    return settings
  }

  var improvement: SelectionPlan.Improvement {
    switch select {
    case .topK, .greedy: .none
    case .exchange: .exchange
    case .iht: .thresholding
    }
  }

  /// The number of parts in which a stage selects its weights.
  private var parts: Int { greedySteps ?? (select == .greedy ? 16 : 1) }

  /// The sparsities to prune to, in this order.
  var sparsities: [Double] {
    pattern.sparsity.map { [$0] } ?? sparsity.map { [$0] } ?? sweep!.values
  }

  /// Returns the plan that selects the weights to remove.
  ///
  /// - Throws: `PruningError` if the settings do not suit the tensors.
  func plan(
    for tensors: [WeightTensor], _ candidates: ModelCandidates, partition: CellPartition
  ) throws -> SelectionPlan {
    let selection = try Selection(
      of: tensors, scope: scope == .global ? .global : .uniform,
      tensorSparsities: try tensorSparsities(for: tensors.filter(\.isPrunable)), pattern: pattern,
      weighing: weigh, budget: sparsityOf, maximumTensorSparsity: maxTensorSparsity)
    return SelectionPlan(
      selection, partition: partition, stages: stages, parts: parts, candidates: candidates,
      improvement: improvement, measuresCondition: true)
  }

  private func tensorSparsities(for tensors: [WeightTensor]) throws -> [String: Double] {
    func rule(of tensor: WeightTensor) -> Int? {
      tensorSparsity.firstIndex { ParameterRule(match: $0.pattern).matches(tensor.name) }
    }
    let followed = tensors.map(rule(of:))
    for (index, rule) in tensorSparsity.enumerated() where !followed.contains(index) {
      throw PruningError(
        "--tensor-sparsity: '\(rule)' applies to no prunable tensor: expected a pattern for some "
          + "of \(tensors.map(\.name).joined(separator: ", ")) that no earlier pattern matches")
    }
    return Dictionary(
      uniqueKeysWithValues: zip(tensors, followed).compactMap { tensor, rule in
        rule.map { (tensor.name, tensorSparsity[$0].sparsity) }
      })
  }
}

/// A pattern of tensor names and the sparsity of these tensors, such as `*.weight=0.8`.
struct TensorSparsity: ExpressibleByArgument, CustomStringConvertible {
  let pattern: String
  let sparsity: Double
  var description: String { "\(pattern)=\(sparsity)" }

  init?(argument: String) {
    guard let equals = argument.lastIndex(of: "="), equals > argument.startIndex,
      let sparsity = Double(argument[argument.index(after: equals)...]), (0..<1).contains(sparsity)
    else { return nil }
    pattern = String(argument[..<equals])
    self.sparsity = sparsity
  }
}

extension Selection.Weighing: ExpressibleByArgument {}
extension Selection.Budget: ExpressibleByArgument {}

extension Pattern: ExpressibleByArgument {
  public init?(argument: String) { self.init(argument) }
  public var defaultValueDescription: String { description }
}
