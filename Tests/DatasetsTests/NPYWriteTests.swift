import Formats
import Foundation
import Support
import Testing

/// Tests files written for NumPy.
struct NPYWriteTests {
  @Test("written files are NumPy's, byte for byte") func writtenBytes() throws {
    let directory = try TemporaryDirectory()
    let path = "\(directory.root)/a.npy"
    try NPYFile.write([1, -2.5, 0, .infinity, 1e-300, 3], shape: [2, 3], to: path)
    let bytes = try [UInt8](Data(contentsOf: URL(fileURLWithPath: path)))
    // numpy.save of NumPy 2 writes one comma less; its reader accepts both.
    let text = "{'descr': '<f8', 'fortran_order': False, 'shape': (2, 3,), }"
    let header = [0x93] + Array("NUMPY".utf8) + [1, 0, 118, 0] + Array(text.utf8)
    #expect(Array(bytes.prefix(header.count)) == header)
    #expect(bytes.count == 128 + 6 * 8 && bytes[127] == UInt8(ascii: "\n"))
    #expect(bytes[header.count..<127].allSatisfy { $0 == UInt8(ascii: " ") })
    let values = bytes[128...].withUnsafeBytes { bytes in
      (0..<6).map { i in bytes.loadUnaligned(fromByteOffset: 8 * i, as: Double.self) }
    }
    #expect(values == [1, -2.5, 0, .infinity, 1e-300, 3])
  }

  @Test("shapes are written as tuples", arguments: [[], [0], [3], [1, 3], [3, 1, 1]])
  func shapeTuples(shape: [Int]) throws {
    let directory = try TemporaryDirectory()
    let path = "\(directory.root)/a.npy"
    let values = [Double](repeating: 1, count: shape.reduce(1, *))
    try NPYFile.write(values, shape: shape, to: path)
    let size = try Data(contentsOf: URL(fileURLWithPath: path)).count
    #expect(size == 128 + 8 * values.count)
  }
}
