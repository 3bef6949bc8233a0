import Datasets
import RandomNumbers
import Testing

struct BatchOrderTests {
  @Test("sequential batches follow the file and drop the remainder") func sequentialOrder() throws {
    var order = try BatchOrder(exampleCount: 10, batchSize: 4, order: .sequential, seed: 0)
    #expect(order.batchesPerEpoch == 2)
    #expect(order.indices(step: 0) == [0, 1, 2, 3])
    #expect(order.indices(step: 1) == [4, 5, 6, 7])
    #expect(order.indices(step: 2) == [0, 1, 2, 3])
  }

  @Test("an epoch takes each example at most once, in the defined order")
  func epochPermutation() throws {
    var order = try BatchOrder(exampleCount: 103, batchSize: 10, order: .shuffled, seed: 7)
    let batches = (0..<30).map { Array(order.indices(step: $0)) }
    for epoch in 0..<3 {
      let examples = batches[epoch * 10..<epoch * 10 + 10].flatMap { $0 }
      #expect(examples.count == 100)
      #expect(Set(examples).count == 100)
      #expect(Set(examples).isSubset(of: 0..<103))
      // This order must never change: checkpoints resume in it.
      let random = CounterRandom(seed: 7, stream: 1 << 32 | UInt64(epoch))
      #expect(examples == Array(random.permutation(count: 103).prefix(100)))
    }
    #expect(batches[0] != batches[10])
  }

  @Test("a step's batch does not depend on earlier steps") func independentSteps() throws {
    var forward = try BatchOrder(exampleCount: 50, batchSize: 7, order: .shuffled, seed: 1)
    var backward = forward
    let steps = 0..<40
    let first = steps.map { Array(forward.indices(step: $0)) }
    let second = steps.reversed().map { Array(backward.indices(step: $0)) }
    #expect(first == second.reversed())
    var late = try BatchOrder(exampleCount: 50, batchSize: 7, order: .shuffled, seed: 1)
    #expect(Array(late.indices(step: 39)) == first[39])
  }

  @Test("different seeds give different orders") func differentSeeds() throws {
    var orders: Set<[Int]> = []
    for seed in 0..<20 as Range<UInt64> {
      var order = try BatchOrder(exampleCount: 20, batchSize: 20, order: .shuffled, seed: seed)
      orders.insert(Array(order.indices(step: 0)))
    }
    #expect(orders.count == 20)
  }

  @Test("one batch may hold all examples") func wholeBatch() throws {
    var order = try BatchOrder(exampleCount: 3, batchSize: 3, order: .sequential, seed: 0)
    #expect(order.batchesPerEpoch == 1)
    #expect(order.indices(step: 5) == [0, 1, 2])
  }

  @Test("impossible batch sizes are refused") func refusedSizes() {
    #expect(
      refusal { _ = try BatchOrder(exampleCount: 5, batchSize: 6, order: .shuffled, seed: 0) }
        == "batch size: 6 exceeds the 5 training examples")
    #expect(
      refusal { _ = try BatchOrder(exampleCount: 5, batchSize: 0, order: .shuffled, seed: 0) }
        == "batch size: 0 is not positive")
  }
}
