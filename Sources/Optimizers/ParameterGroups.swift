import LinearAlgebra

/// Holds the settings that differ between parts of the parameters.
public struct ParameterGroup: Sendable, Equatable {
  /// Multiplies the step's learning rate.
  public var rateFactor: Double
  /// Replaces the optimizer's rate of weight decay; nil: no change.
  public var weightDecay: Double?
  /// True if M-FAC or K-FAC preconditions the group. Otherwise it is not in the window and takes
  /// heavy-ball steps: v ← μv + g; w ← w − ηv. Muon takes AdamW's steps for such a group; SGD and
  /// AdamW ignore this property.
  public var usesMFAC: Bool

  /// Creates a group, by default with the optimizer's own settings.
  public init(rateFactor: Double = 1, weightDecay: Double? = nil, usesMFAC: Bool = true) {
    self.rateFactor = rateFactor
    self.weightDecay = weightDecay
    self.usesMFAC = usesMFAC
  }
}

/// Divides the parameters [0, d) into runs that each belong to one group, and marks those that stay
/// zero.
public struct ParameterGroups: Sendable, Equatable {
  /// Describes consecutive parameters of one group.
  public struct Run: Sendable, Equatable {
    /// A range of the parameters [0, d).
    public let range: Range<Int>
    /// An index into the groups.
    public let group: Int

    /// Creates a run.
    ///
    /// - Parameter group: an index into the groups.
    public init(_ range: Range<Int>, group: Int) {
      self.range = range
      self.group = group
    }
  }

  /// The groups, which runs refer to by index.
  public let groups: [ParameterGroup]
  let runs: [Run]
  /// True for each parameter that stays zero, shape [d]; nil if there are none.
  let staysZero: [Bool]?

  /// The number of parameters that stay zero.
  public var zeroCount: Int { staysZero?.count { $0 } ?? 0 }

  /// Returns the first parameter that must stay zero but is not zero, or nil.
  ///
  /// - Parameter parameters: the whole vector, shape [d].
  public func firstNonzero<Element: Scalar>(
    of parameters: UnsafeMutableBufferPointer<Element>
  ) -> Int? {
    staysZero.flatMap { zeros in zeros.indices.first { zeros[$0] && parameters[$0] != 0 } }
  }

  /// Creates one group of all parameters.
  public init() {
    self.init([ParameterGroup()], runs: [Run(0..<Int.max, group: 0)])
  }

  /// Creates groups from runs.
  ///
  /// - Parameters:
  ///   - runs: consecutive, from 0 to the end of the parameters.
  ///   - staysZero: true for each parameter that is zero and must stay so; shape [d].
  public init(_ groups: [ParameterGroup], runs: [Run], staysZero: [Bool]? = nil) {
    var end = 0
    for run in runs {
      precondition(
        run.range.lowerBound == end && groups.indices.contains(run.group),
        "a run \(run.range) of group \(run.group), of \(groups.count), after one to \(end)")
      end = run.range.upperBound
    }
    self.groups = groups
    self.runs = runs
    self.staysZero = staysZero.flatMap { $0.contains(true) ? $0 : nil }
  }

  /// Returns the same groups with another set of parameters that stay zero; shape [d].
  public func keepingZero(_ staysZero: [Bool]) -> ParameterGroups {
    ParameterGroups(groups, runs: runs, staysZero: staysZero)
  }

  /// Returns the same groups, except that parameters outside `ranges` have no curvature. The ranges
  /// are disjoint and in increasing order.
  func without(curvatureOutside ranges: [Range<Int>]) -> ParameterGroups {
    var runs: [Run] = []
    let end = self.runs.last!.range.upperBound
    var start = 0
    let plain = groups.map { group in
      var group = group
      group.usesMFAC = false
      return group
    }
    func add(_ range: Range<Int>, hasCurvature: Bool) {
      for run in self.runs {
        let part = run.range.clamped(to: range)
        if !part.isEmpty {
          runs.append(Run(part, group: run.group + (hasCurvature ? 0 : groups.count)))
        }
      }
    }
    for range in ranges {
      add(start..<range.lowerBound, hasCurvature: false)
      add(range, hasCurvature: true)
      start = range.upperBound
    }
    add(start..<end, hasCurvature: false)
    return ParameterGroups(groups + plain, runs: runs, staysZero: staysZero)
  }
}

/// Specifies weight decay at a rate ω.
public enum WeightDecay: Codable, Equatable, Sendable {
  /// ω·w is added to the gradient after clipping, before everything else.
  case coupled(Double)
  /// w ← w − η·ω·w in addition to the step, η the learning rate (Loshchilov and Hutter, 2019).
  case decoupled(Double)

  /// Returns the same kind of decay at another rate; nil keeps the rate.
  func at(_ rate: Double?) -> WeightDecay {
    guard let rate else { return self }
    return if case .coupled = self { .coupled(rate) } else { .decoupled(rate) }
  }

  /// The factor of w that is added to the gradient.
  var addedToGradient: Double { if case .coupled(let rate) = self { rate } else { 0 } }

  /// Returns the factor by which decoupled decay multiplies a weight in a step: 1 − η·ω.
  func remainder<Element: Scalar>(learningRate: Double) -> Element {
    if case .decoupled(let rate) = self { 1 - Element(learningRate) * Element(rate) } else { 1 }
  }
}
