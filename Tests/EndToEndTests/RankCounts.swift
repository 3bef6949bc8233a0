/// Returns the numbers of ranks for one of several settings; nil means without a launcher.
///
/// The first settings also run on one rank under the launcher.
func rankCounts(forSettings index: Int) -> [Int?] {
  index == 0 ? [nil, 1, 2, 3, 5, 8] : [nil, 2, 3, 5, 8]
}
