import Datasets
import Testing

struct InputTransformTests {
  let images = try! LabelledImages(
    images: IDXArray(
      bytes: idxBytes(shape: [3, 1, 2], values: [0, 16, 255, 8, 1, 2]), file: "i", rank: 3),
    labels: IDXArray(bytes: idxBytes(shape: [3], values: [7, 0, 255]), file: "l", rank: 1))

  @Test func defaultsDivideExactly() throws {
    let bytes = try InputTransform(scale: 1.0 / 255)
    let sixteenths = try InputTransform(scale: 1.0 / 16)
    for pixel in 0...255 as ClosedRange<UInt8> {
      // A single-precision division is rounded once, too.
      #expect(bytes(pixel) == Float(pixel) / 255)
      #expect(sixteenths(pixel) == Float(pixel) / 16)
    }
  }

  @Test func meanAndDeviationFollowTheFormula() throws {
    let transform = try InputTransform(scale: 1.0 / 255, mean: 0.1307, std: 0.3081)
    for pixel in 0...255 as ClosedRange<UInt8> {
      #expect(transform(pixel) == Float((Double(pixel) * (1.0 / 255) - 0.1307) / 0.3081))
    }
    // (200/255 − 0.1307)/0.3081, bc to 10 digits; half a unit in the last place is 1.2e-7.
    #expect(abs(transform(200) - 2.1214337082) < 1.3e-7)
  }

  @Test func batchesAreFilledInTheOrderAskedFor() throws {
    let transform = try InputTransform(scale: 1.0 / 16, mean: 1, std: 2)
    let indices = [2, 0, 2]
    var inputs = [Float](repeating: .nan, count: 6)
    inputs.withUnsafeMutableBufferPointer {
      images.fill($0, with: indices, transformedBy: transform)
    }
    let expected: [Float] = [-0.46875, -0.4375, -0.5, 0, -0.46875, -0.4375]
    #expect(inputs == expected)
    var labels = [Int32](repeating: -1, count: 3)
    labels.withUnsafeMutableBufferPointer { images.fill($0, with: indices) }
    #expect(labels == [255, 7, 255])
    var none: [Float] = []
    none.withUnsafeMutableBufferPointer {
      images.fill($0, with: [], transformedBy: transform)
    }
  }

  @Test func refusesNumbersThatMakeNoInput() {
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
    let transform = try InputTransform(scale: 1)
    var inputs = [Float](repeating: 0, count: numbers)
    inputs.withUnsafeMutableBufferPointer {
      InputTransformTests().images.fill($0, with: [0], transformedBy: transform)
    }
  }

  @Test func wrongBuffersStopTheProgram() async {
    await #expect(processExitsWith: .success) { try Self.fillOneImage(numbers: 2) }
    await #expect(processExitsWith: .failure) { try Self.fillOneImage(numbers: 3) }
    await #expect(processExitsWith: .failure) { try Self.fillOneImage(numbers: 1) }
  }
}
