import Curvature
import Formats
import Foundation
import LinearAlgebra
import Networks
import Training

/// The report for people.
extension CheckReport {
  /// Three digits.
  static func text(of value: Double) -> String {
    guard value.isFinite else { return formatNumber(value, digits: 0) }
    return value >= 1e-3 && value < 1000
      ? String(format: "%.3g", value) : String(format: "%.1e", value)
  }

  private var hasGaussNewton: Bool { layers.contains { $0.type2 != nil } }

  /// The table, and what is to be said to it.
  var text: String {
    var head = [["layer", "parameters", "S"], ["", "", ""]]
    if hasGaussNewton {
      head[0] += ["type2", "", "mc, \(fisherSamples)", ""]
      head[1] += ["expand", "reduce", "expand", "reduce"]
    }
    head[0] += ["empirical", ""]
    head[1] += ["expand", "reduce"]
    if hasGaussNewton {
      head[0].append("F emp.")
      head[1].append("")
    }
    return ([Self.table(head + layers.map(row))] + remarks).joined(separator: "\n")
  }

  private func row(_ layer: Layer) -> [String] {
    var row = [
      layer.name + (layer.isNormalization && !layer.name.hasSuffix("bias") ? " (norm)" : ""),
      "\(layer.parameters)",
      layer.isNormalization ? "" : "\(layer.positions)",
    ]
    for case let settings? in [layer.type2, layer.monteCarlo, layer.empirical] {
      let (first, second) = settings.pair
      if layer.isNormalization {
        row += [first.text + "*", second.text + " "]
      } else if let auto = layer.auto {
        row.append(first.text + (auto == "expand" ? "*" : " "))
        row.append(second.text + (auto == "reduce" ? "*" : " "))
      } else {
        row += [first.text + "*", "= "]
      }
    }
    if let distance = layer.empiricalFromGaussNewton { row.append(distance.text) }
    return row
  }

  private var remarks: [String] {
    var remarks: [String] = [""]
    if hasGaussNewton {
      remarks += [
        "type2, mc: B⊗A from the Gauss–Newton block; empirical: from the empirical Fisher block;",
        "F emp.: the empirical Fisher block, which M-FAC's is, from the Gauss–Newton block.",
      ]
    } else {
      let columns = positions * outputs
      remarks += [
        "empirical: B⊗A from the empirical Fisher block. Neither type2 nor mc: an example has "
          + "\(columns) outputs",
        "(\(positions) × \(outputs)), and the Gauss–Newton matrix "
          + (columns > CurvatureCheck.largestColumnCount
            ? "is made of up to \(CurvatureCheck.largestColumnCount)."
            : "of this network would take too long."),
      ]
    }
    if positions > 1 {
      remarks.append(
        "The empirical Fisher matrix is of whole examples' gradients, summed over their positions.")
    }
    remarks.append("* what --kfac-setting auto takes; = the same, with one position S.")
    if layers.contains(where: \.isNormalization) {
      remarks.append(
        "(norm): left with --kfac-normalization diagonal, the default (*), right with block.")
    }
    if !outside.isEmpty { remarks.append("Without curvature: \(outside.joined(separator: ", ")).") }
    let rows = RowType.types(for: Float.self).map {
      "\($0.rawValue) \(Self.text(of: mfac[$0.rawValue]!))"
    }
    remarks += [
      "",
      "M-FAC's (1/m) GᵀG, of these m = \(examples) examples' gradients in its rows, from the "
        + "empirical",
      "Fisher matrix in double precision, all of its d×d: \(rows.joined(separator: ", ")).",
    ]
    return remarks
  }

  /// Columns as wide as they need; the first to the left, the others to the right.
  private static func table(_ rows: [[String]]) -> String {
    let widths = rows[0].indices.map { column in rows.map { $0[column].count }.max()! }
    return rows.map { row in
      row.indices.map { column in
        let space = String(repeating: " ", count: widths[column] - row[column].count)
        return column == 0 ? row[column] + space : space + row[column]
      }.joined(separator: "  ")
    }.joined(separator: "\n")
  }
}
