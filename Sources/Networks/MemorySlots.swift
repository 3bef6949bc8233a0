/// Assigns slots of memory, and reuses them as soon as nothing needs their contents: sizes only.
struct MemorySlots {
  private struct Slot {
    var count: Int
    var users: Int
  }

  private var slots: [Slot] = []

  /// Elements of each slot, per example.
  var counts: [Int] { slots.map(\.count) }

  func users(of slot: Int) -> Int { slots[slot].users }

  /// Returns a slot of at least `count` elements for one user.
  mutating func take(_ count: Int) -> Int {
    // The free slot that fits best, or that has to grow least; a and b are the excess sizes.
    let free = slots.indices.filter { slots[$0].users == 0 }.min {
      let (a, b) = (slots[$0].count - count, slots[$1].count - count)
      return (a < 0 ? 1 : 0, abs(a)) < (b < 0 ? 1 : 0, abs(b))
    }
    guard let free else {
      slots.append(Slot(count: count, users: 1))
      return slots.count - 1
    }
    slots[free] = Slot(count: max(slots[free].count, count), users: 1)
    return free
  }

  /// Adds one user.
  mutating func share(_ slot: Int) { slots[slot].users += 1 }

  /// Removes one user.
  mutating func release(_ slot: Int) { slots[slot].users -= 1 }
}
