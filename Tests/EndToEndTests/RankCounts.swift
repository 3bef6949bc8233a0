/// The numbers of ranks that one of several settings is run at, nil without a launcher.
///
/// The first settings are run at all of them. The others take turns: a power of two and another
/// number of ranks each.
func rankCounts(forSettings index: Int) -> [Int?] {
  index == 0 ? [nil, 1, 2, 3, 5, 8] : index.isMultiple(of: 2) ? [nil, 2, 5] : [nil, 3, 8]
}
