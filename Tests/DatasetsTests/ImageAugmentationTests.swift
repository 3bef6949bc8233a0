import Datasets
import Testing

struct ImageAugmentationTests {
  static let (count, height, width, padding) = (60, 5, 7, 2)

  /// Returns random images of two channels; 0 is visibly transformed like any pixel.
  func images(_ augmentation: ImageAugmentation?) throws -> LabelledImages {
    let size = 2 * Self.height * Self.width
    return try LabelledImages(
      shape: [2, Self.height, Self.width],
      pixels: (0..<Self.count * size).map { UInt8(truncatingIfNeeded: $0 &* 2_654_435_761 >> 7) },
      labels: Array(repeating: 0, count: Self.count), classCount: 2,
      transform: InputTransform(scale: 1.0 / 255, mean: [0.25, 0.5], std: [0.5, 0.25]),
      augmentation: augmentation, source: "f")
  }

  /// Returns the inputs by the formula, pixel by pixel.
  func expected(_ images: LabelledImages, _ index: Int, epoch: Int) throws -> [Float] {
    let change = try #require(images.augmentation).change(of: index, epoch: epoch)
    let (height, width) = (Self.height, Self.width)
    return (0..<2 * height * width).map { place in
      let (channel, y) = (place / (height * width), place / width % height)
      let x = change.flipped ? width - 1 - place % width : place % width
      let (row, column) = (y + change.down, x + change.right)
      let isInside = (0..<height).contains(row) && (0..<width).contains(column)
      let pixel =
        isInside ? images.pixels[((index * 2 + channel) * height + row) * width + column] : 0
      return images.transform(pixel, channel: channel)
    }
  }

  // Padding may exceed the image's size: some crops then show nothing of it.
  @Test(
    "every augmented example is a crop of its padded image",
    arguments: [(2, true), (2, false), (0, true), (9, true)])
  func crops(padding: Int, flip: Bool) throws {
    let images = try images(ImageAugmentation(cropPadding: padding, flip: flip, seed: 5))
    for epoch in 0..<4 {
      let inputs = images.inputs(images.allIndices, epoch: epoch)
      let expected = try images.allIndices.flatMap { try self.expected(images, $0, epoch: epoch) }
      #expect(inputs == expected)
    }
  }

  @Test("all crop positions and both sides are equally likely") func uniformCrops() throws {
    let augmentation = try ImageAugmentation(cropPadding: 4, flip: true, seed: 1)
    var places: [[Int]: Int] = [:]
    for index in 0..<16_200 {
      let change = augmentation.change(of: index, epoch: 3)
      places[[change.down, change.right, change.flipped ? 1 : 0], default: 0] += 1
      #expect((-4...4).contains(change.down) && (-4...4).contains(change.right))
    }
    #expect(places.count == 9 * 9 * 2)
    // Chi-squared with 161 degrees of freedom exceeds 235 for one seed in 10,000.
    let chiSquared = places.values.map { Double(($0 - 100) * ($0 - 100)) / 100 }.reduce(0, +)
    #expect(chiSquared < 235)
  }

  @Test("an augmented example does not depend on its batch") func batchIndependence() throws {
    let images = try images(ImageAugmentation(cropPadding: 2, flip: true, seed: 9))
    let size = images.inputCount
    let forward = images.inputs(images.allIndices, epoch: 2)
    _ = images.inputs([3, 1], epoch: 7)
    for index in images.allIndices.reversed() {
      #expect(images.inputs([index], epoch: 2)[...] == forward[index * size..<(index + 1) * size])
    }
  }

  @Test("epochs and seeds give different crops") func epochsAndSeeds() throws {
    let variants = try [(0, 0), (0, 1), (1, 0), (1 << 32, 0)].map { seed, epoch in
      try images(ImageAugmentation(cropPadding: 2, flip: true, seed: UInt64(seed)))
        .inputs(Array(0..<Self.count), epoch: epoch)
    }
    #expect(Set(variants).count == variants.count)
  }

  @Test("without an epoch images are not augmented") func noEpoch() throws {
    let augmented = try images(ImageAugmentation(cropPadding: 2, flip: true, seed: 0))
    let plain = try images(nil)
    #expect(augmented.inputs(augmented.allIndices) == plain.inputs(plain.allIndices))
    #expect(plain.inputs(plain.allIndices, epoch: 3) == plain.inputs(plain.allIndices))
    #expect(augmented.inputs([0, 1, 2, 3], epoch: 0) != plain.inputs([0, 1, 2, 3]))
  }

  @Test("test images are not augmented") func testImages() throws {
    var options = DatasetOptions()
    options.images.augmentation = try ImageAugmentation(seed: 0)
    let digits = try DatasetSource("digits").load(options)
    let indices = Array(0..<50)
    #expect(digits.test.inputs(indices, epoch: 0) == digits.test.inputs(indices))
    #expect(digits.training.inputs(indices, epoch: 0) != digits.training.inputs(indices))
  }

  @Test("impossible crop paddings are refused") func refusedPadding() {
    for padding in [-1, 1001] {
      #expect(
        refusal { _ = try ImageAugmentation(cropPadding: padding, seed: 0) }
          == "crop padding: is out of range: expected 0 to 1000 pixels, got \(padding)")
    }
  }
}
