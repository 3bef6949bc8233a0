import Formats
import Foundation
import RunRecords
import Testing
import Training

/// Tests that records with any numbers can be written.
@Suite struct JSONTextTests {
  private struct Record: Encodable {
    struct Part: Encodable { var meanLoss: Float = .infinity }
    var aNumber = 0.5
    var none: Double?
    var nan: Double? = .nan
    var lists = [1, -Double.infinity]
    var byName = ["a": Double.nan, "b": 2]
    var parts = [Part()]
    var text = "not finite"
  }

  @Test("numbers that are not finite are written as null") func nonFiniteNumbers() throws {
    #expect(
      try JSONText.of(Record(), inLines: false) == """
        {"a_number":0.5,"by_name":{"a":null,"b":2},"lists":[1,null],"nan":null,\
        "parts":[{"mean_loss":null}],"text":"not finite"}
        """)
    #expect(try JSONText.of(["a": -Double.nan]) == "{\n  \"a\" : null\n}")
  }

  @Test("null is read as NaN") func readNumbers() throws {
    for value in [Double.infinity, .nan, 1.5] {
      let text = try JSONText.of([JSONNumber(value)])
      let read = try JSONDecoder().decode([JSONNumber].self, from: Data(text.utf8))[0].value
      #expect(value.isFinite ? read == value : read.isNaN)
    }
  }
}
