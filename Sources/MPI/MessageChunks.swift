extension Range<Int> {
  /// The pieces in which a slice [..] of scalars crosses the network: large enough that what a
  /// message costs by itself does not count, small enough that the first leave early.
  var messageChunks: [Range<Int>] {
    let length = 1 << 18
    return stride(from: lowerBound, to: upperBound, by: length).map {
      $0..<Swift.min($0 + length, upperBound)
    }
  }
}
