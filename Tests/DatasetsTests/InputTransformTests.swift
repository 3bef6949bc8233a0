import Datasets
import Formats
import Support
import Testing

struct InputTransformTests {
  /// Returns three images of two pixels in one channel.
  func images(_ transform: InputTransform) throws -> LabelledImages {
    try LabelledImages(
      IDXArray(
        bytes: idxBytes(shape: [3, 1, 2], values: [0, 16, 255, 8, 1, 2]), file: "i", rank: 3),
      IDXArray(bytes: idxBytes(shape: [3], values: [7, 0, 255]), file: "l", rank: 1),
      classCount: 256, transform: transform)
  }

  @Test("the default scales divide exactly") func defaultScales() throws {
    let bytes = try InputTransform(scale: 1.0 / 255)
    let sixteenths = try InputTransform(scale: 1.0 / 16)
    for pixel in 0...255 as ClosedRange<UInt8> {
      // A single-precision division is also rounded once.
      #expect(bytes(pixel) == Float(pixel) / 255)
      #expect(sixteenths(pixel) == Float(pixel) / 16)
    }
  }

  @Test("mean and deviation follow the formula") func meanAndDeviation() throws {
    let transform = try InputTransform(scale: 1.0 / 255, mean: 0.1307, std: 0.3081)
    for pixel in 0...255 as ClosedRange<UInt8> {
      #expect(transform(pixel) == Float((Double(pixel) * (1.0 / 255) - 0.1307) / 0.3081))
    }
    // (200/255 − 0.1307)/0.3081, from bc to 10 digits; half a unit in the last place is 1.2e-7.
    #expect(abs(transform(200) as Float - 2.1214337082) < 1.3e-7)
  }

  @Test("batches are filled in the requested order") func batchOrder() throws {
    let transform = try InputTransform(scale: 1.0 / 16, mean: 1, std: 2)
    let images = try images(transform)
    #expect(images.inputs([2, 0, 2]) == [-0.46875, -0.4375, -0.5, 0, -0.46875, -0.4375])
    #expect(images.classes([2, 0, 2]) == [255, 7, 255])
    #expect(images.inputs([]).isEmpty && images.classes([]).isEmpty)
  }

  @Test("each channel has its own mean and deviation") func channelNumbers() throws {
    let (mean, std) = ([0.4914, 0.4822, 0.4465], [0.2470, 0.2435, 0.2616])
    let transform = try InputTransform(scale: 1.0 / 255, mean: mean, std: std)
    let oneStd = try InputTransform(scale: 1.0 / 255, mean: mean, std: [0.25])
    for (channel, (mean, std)) in zip(mean, std).enumerated() {
      let alone = try InputTransform(scale: 1.0 / 255, mean: mean, std: std)
      let other = try InputTransform(scale: 1.0 / 255, mean: mean, std: 0.25)
      for pixel in 0...255 as ClosedRange<UInt8> {
        #expect(transform(pixel, channel: channel) == alone(pixel) as Float)
        #expect(alone(pixel, channel: channel) == alone(pixel) as Float)
        #expect(oneStd(pixel, channel: channel) == other(pixel) as Float)
      }
    }
    let pixels = (0..<12).map { UInt8($0 * 20) }
    let image = try LabelledImages(
      shape: [3, 2, 2], pixels: pixels, labels: [0], classCount: 2, transform: transform,
      source: "f")
    #expect(
      image.inputs([0]) == (0..<12).map { transform(pixels[$0], channel: $0 / 4) })
  }

  @Test("numbers for a different number of channels are refused") func channelMismatch() throws {
    let two = try InputTransform(scale: 1, mean: [0, 0], std: [1, 1])
    for (channels, message) in [
      (3, "input mean: 2 numbers for images of 3 channels: expected 3, or one for all"),
      (1, "input mean: 2 numbers for images of 1 channel: expected one"),
    ] {
      #expect(
        refusal {
          _ = try LabelledImages(
            shape: [channels, 1, 1], pixels: Array(repeating: 0, count: channels), labels: [0],
            classCount: 2, transform: two, source: "f")
        } == message)
    }
    #expect(
      refusal { _ = try InputTransform(scale: 1, mean: [0, 0], std: [1, 1, 1]) }
        == "input mean: 2 numbers, but input std has 3: "
        + "expected the same number, or one for all channels")
    #expect(refusal { _ = try InputTransform(scale: 1, mean: [], std: [1]) } != nil)
    #expect(
      refusal { _ = try InputTransform(scale: 1, mean: [0], std: [1, 0]) }
        == "input std: 0.0 is not a finite number above 0")
  }

  @Test("numbers that give no finite input are refused") func refusedNumbers() {
    let cases: [(scale: Double, mean: Double, std: Double, message: String)] = [
      (0, 0, 1, "input scale: 0.0 is not a finite number other than 0"),
      (.nan, 0, 1, "input scale: nan is not a finite number other than 0"),
      (1, .infinity, 1, "input mean: inf is not a finite number"),
      (1, 0, 0, "input std: 0.0 is not a finite number above 0"),
      (1, 0, -1, "input std: -1.0 is not a finite number above 0"),
      (
        1, 0, 1e-40,
        "input transform: scale 1.0, mean 0.0 and std 1e-40 exceed single precision"
      ),
    ]
    for (scale, mean, std, message) in cases {
      #expect(
        refusal { _ = try InputTransform(scale: scale, mean: mean, std: std) } == message)
    }
  }

  static func fillOneImage(numbers: Int) throws {
    let images = try InputTransformTests().images(try InputTransform(scale: 1))
    var inputs = [Float](repeating: 0, count: numbers)
    inputs.withUnsafeMutableBufferPointer { images.fill(inputs: $0, with: [0], epoch: nil) }
  }

  @Test("buffers of the wrong size stop the program") func wrongBuffers() async {
    await #expect(processExitsWith: .success) { try Self.fillOneImage(numbers: 2) }
    await #expect(processExitsWith: .failure) { try Self.fillOneImage(numbers: 3) }
    await #expect(processExitsWith: .failure) { try Self.fillOneImage(numbers: 1) }
  }
}
