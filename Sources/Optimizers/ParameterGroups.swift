import LinearAlgebra

/// How a part of the parameters is treated otherwise than the rest.
public struct ParameterGroup: Sendable, Equatable {
  /// Its learning rate is this many times the step's.
  public var rateFactor: Double
  /// In place of the optimizer's own rate of weight decay.
  public var weightDecay: Double?
  /// Whether M-FAC or K-FAC preconditions it; else it is not in the window, and takes heavy-ball
  /// steps: v ← μv + g; w ← w − ηv. Muon takes AdamW's steps there; SGD and AdamW do not ask.
  public var usesMFAC: Bool

  /// Without changes: as the rest.
  public init(rateFactor: Double = 1, weightDecay: Double? = nil, usesMFAC: Bool = true) {
    self.rateFactor = rateFactor
    self.weightDecay = weightDecay
    self.usesMFAC = usesMFAC
  }
}

/// The parameters [0, d), cut into runs that are each of one group, and those that stay zero.
public struct ParameterGroups: Sendable, Equatable {
  /// Parameters one after another that are of one group.
  public struct Run: Sendable, Equatable {
    /// Of the parameters [0, d).
    public let range: Range<Int>
    /// An index into the groups.
    public let group: Int

    /// - Parameter group: an index into the groups.
    public init(_ range: Range<Int>, group: Int) {
      self.range = range
      self.group = group
    }
  }

  /// In the order that runs count them in.
  public let groups: [ParameterGroup]
  let runs: [Run]
  /// [d], or nil where there are none.
  let staysZero: [Bool]?

  /// How many stay zero.
  public var zeroCount: Int { staysZero?.count { $0 } ?? 0 }

  /// The first parameter that is to stay zero and is not; of all, shape [d].
  public func firstNonzero<Element: Scalar>(
    of parameters: UnsafeMutableBufferPointer<Element>
  ) -> Int? {
    staysZero.flatMap { zeros in zeros.indices.first { zeros[$0] && parameters[$0] != 0 } }
  }

  /// All parameters alike.
  public init() {
    self.init([ParameterGroup()], runs: [Run(0..<Int.max, group: 0)])
  }

  /// - Parameters:
  ///   - runs: one after another, from 0 to the end of the parameters.
  ///   - staysZero: whether a parameter, which is zero, is to stay so; shape [d].
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

  /// The same, but for the parameters that stay zero; shape [d].
  public func keepingZero(_ staysZero: [Bool]) -> ParameterGroups {
    ParameterGroups(groups, runs: runs, staysZero: staysZero)
  }

  /// The same, but that what lies outside of `ranges`, which lie one after another, has no
  /// curvature.
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

/// How weights decay, at a rate ω.
public enum WeightDecay: Codable, Equatable, Sendable {
  /// ω·w is added to the gradient, before anything else is done with it but clipping.
  case coupled(Double)
  /// w ← w − η·ω·w beside the step, η the learning rate (Loshchilov and Hutter, 2019).
  case decoupled(Double)

  /// The same at another rate, where there is one.
  func at(_ rate: Double?) -> WeightDecay {
    guard let rate else { return self }
    return if case .coupled = self { .coupled(rate) } else { .decoupled(rate) }
  }

  /// What is added to the gradient for each unit of weight.
  var addedToGradient: Double { if case .coupled(let rate) = self { rate } else { 0 } }

  /// What the decoupled part leaves of a weight in a step: 1 − η·ω.
  func remainder<Element: Scalar>(learningRate: Double) -> Element {
    if case .decoupled(let rate) = self { 1 - Element(learningRate) * Element(rate) } else { 1 }
  }
}
