import Curvature
import Formats
import Foundation
import LinearAlgebra
import Networks
import RunRecords
import TrainedModels

extension FisherCheckReport {
  /// Creates the report of a network, its layers' distances and those of M-FAC's rows by type.
  init(
    of network: CheckedNetwork, layers: [CurvatureCheck.Layer],
    rows: [(type: RowType, distance: Double)]
  ) {
    self.init(
      model: network.name, weights: network.weights, data: "\(network.dataset)",
      parameters: network.description.layout.count, examples: network.examples,
      positions: network.description.positions, outputs: network.description.outputCount,
      fisherSamples: network.samples, seed: network.seed,
      layers: layers.map { Layer($0, samples: network.samples) }, outside: network.outside,
      mfac: Dictionary(
        uniqueKeysWithValues: rows.map { ($0.type.rawValue, JSONNumber($0.distance)) }))
  }

  /// Writes the report as JSON.
  ///
  /// - Throws: `InputError` naming the file.
  func write(to path: String) throws {
    let bytes = Array("\(try JSONText.of(self))\n".utf8)
    try AtomicFile.write(to: path) { file throws(InputError) in try file.write(bytes) }
  }
}

extension FisherCheckReport.Layer {
  init(_ result: CurvatureCheck.Layer, samples: Int) {
    let isNormalization = result.layer.isNormalization
    func settings(_ fisher: Curvature.Fisher) -> FisherCheckReport.Settings? {
      func distance(_ axis: SharedAxis) -> FisherCheckReport.Distance? {
        result.distances.first { $0.fisher == fisher && $0.axis == axis }
          .map { FisherCheckReport.Distance($0.distance) }
      }
      return distance(.expand).flatMap { expand in
        distance(.reduce).map {
          FisherCheckReport.Settings(expand, $0, isNormalization: isNormalization)
        }
      }
    }
    self.init(
      name: result.layer.name, parameters: result.layer.parameters.count,
      positions: result.layer.shape.positions, isNormalization: isNormalization,
      auto: result.automatic?.rawValue, type2: settings(.type2),
      monteCarlo: settings(.monteCarlo(samples: samples)), empirical: settings(.empirical)!,
      empiricalFromGaussNewton: result.empirical.map(FisherCheckReport.Distance.init))
  }
}

extension FisherCheckReport.Distance {
  init(_ distance: BlockDistance) {
    self.init(
      relative: distance.relative, cosine: distance.cosine,
      isUnresolved: distance.relative < BlockDistance.resolution && !distance.isByElements)
  }

  /// The distance as printed in the table.
  fileprivate var text: String {
    isExact
      ? "exact" : isUnresolved ? "< 1e-7" : FisherCheckReport.text(of: relative.value)
  }
}

// The report as text.
extension FisherCheckReport {
  /// Returns a number with three significant digits, or two in scientific notation.
  fileprivate static func text(of value: Double) -> String {
    guard value.isFinite else { return formatNumber(value, digits: 0) }
    return value >= 1e-3 && value < 1000
      ? String(format: "%.3g", value) : String(format: "%.1e", value)
  }

  private var hasGaussNewton: Bool { layers.contains { $0.type2 != nil } }

  /// The table and its legend.
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
      let (first, second) = (
        settings.expand ?? settings.diagonal!, settings.reduce ?? settings.block!
      )
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
        "type2, mc: distance of B⊗A from the Gauss–Newton block; empirical: from the empirical",
        "Fisher block; F emp.: of the empirical Fisher block (M-FAC's) from Gauss–Newton's.",
      ]
    } else {
      let columns = positions * outputs
      remarks += [
        "empirical: distance of B⊗A from the empirical Fisher block. No type2 or mc: an example "
          + "has \(columns) outputs",
        "(\(positions) × \(outputs)), and the Gauss–Newton matrix "
          + (columns > CurvatureCheck.largestColumnCount
            ? "is computed for up to \(CurvatureCheck.largestColumnCount)."
            : "of this network would take too long."),
      ]
    }
    if positions > 1 {
      remarks.append(
        "The empirical Fisher matrix uses whole examples' gradients, summed over their positions.")
    }
    remarks.append("* the choice of --kfac-setting auto; = the same value, as S is 1.")
    if layers.contains(where: \.isNormalization) {
      remarks.append(
        "(norm): left with --kfac-normalization diagonal (default, *), right with block.")
    }
    if !outside.isEmpty { remarks.append("Without curvature: \(outside.joined(separator: ", ")).") }
    let rows = RowType.unscaledTypes(for: Float.self).map {
      "\($0.rawValue) \(Self.text(of: mfac[$0.rawValue]!.value))"
    }
    remarks += [
      "",
      "Distance of M-FAC's (1/m) GᵀG, with these m = \(examples) gradients as rows, from the "
        + "empirical",
      "Fisher matrix in double precision, over all d×d elements: \(rows.joined(separator: ", ")).",
    ]
    return remarks
  }

  /// Returns rows as lines of aligned columns; the first column is left-aligned, the others right.
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
