/// Seconds of the parts of a stage.
public struct StageSeconds: Sendable {
  /// Of the mask, of the weights, and of judging candidates.
  public var (selection, removal, judging) = (0.0, 0.0, 0.0)

  mutating func time<Value>(
    _ part: WritableKeyPath<StageSeconds, Double>, _ body: () throws -> Value
  ) rethrows -> Value {
    let clock = ContinuousClock()
    let start = clock.now
    defer { self[keyPath: part] += (clock.now - start) / .seconds(1) }
    return try body()
  }
}
