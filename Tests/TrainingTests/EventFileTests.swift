import Formats
import Foundation
import Testing
import Training

/// Compares the basics of event files with published numbers.
struct EventFileTests {
  // The vectors are from RFC 3720, appendix B.4, and the check value of the CRC catalogue
  // (CRC-32/ISCSI).
  @Test("checksums are those of the standard") func checksums() {
    let command: [UInt8] = [
      0x01, 0xC0, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
      0x00, 0x14, 0x00, 0x00, 0x00, 0x00, 0x00, 0x04, 0x00, 0x00, 0x00, 0x00, 0x14, 0x00, 0x00,
      0x00, 0x18, 0x28, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x00, 0x00, 0x00, 0x00,
      0x00, 0x00, 0x00,
    ]
    let vectors: [([UInt8], UInt32)] = [
      ([UInt8](repeating: 0, count: 32), 0x8A91_36AA),
      ([UInt8](repeating: 0xFF, count: 32), 0x62A8_AB43),
      (Array(0..<32), 0x46DD_794E), ((0..<32).reversed(), 0x113F_DB5C),
      (command, 0xD996_3A56), (Array("123456789".utf8), 0xE306_9283), ([], 0),
    ]
    for (bytes, check) in vectors { #expect(CRC32C.of(bytes) == check, "\(bytes)") }
  }

  // Covers limits, and an entropy of two shares computed by hand.
  @Test("the effective rank is the exponential of the entropy") func effectiveRank() throws {
    #expect(GramSpectrum([2, 2, 2, 2]).effectiveRank.map { abs($0 - 4) < 1e-14 } == true)
    #expect(GramSpectrum([-1e-18, 0, 5]).effectiveRank == 1)
    #expect(GramSpectrum([0, 0]).effectiveRank == nil)
    let spectrum = GramSpectrum([0, 1, 2, 9])
    #expect(spectrum.largest == 9 && spectrum.smallest == nil && spectrum.median == 1.5)
    #expect(GramSpectrum([1e-15, 2, 9]).smallest == nil)
    #expect(GramSpectrum([1e-13, 2, 9]).smallest == 1e-13)
    let two = try #require(GramSpectrum([1, 3]).effectiveRank)
    // ¼·ln 4 + ¾·ln(4/3)
    #expect(abs(two - pow(4, 0.25) * pow(4.0 / 3, 0.75)) < 1e-14)
  }
}
