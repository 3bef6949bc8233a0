/// The numbers of ranks that one of several settings is run at, nil without a launcher.
///
/// The first settings are also run by the launcher on one rank.
func rankCounts(forSettings index: Int) -> [Int?] {
  index == 0 ? [nil, 1, 2, 3, 5, 8] : [nil, 2, 3, 5, 8]
}
