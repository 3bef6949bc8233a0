import Curvature
import Formats
import Foundation
import LinearAlgebra
import Networks
import TrainedModels
import Training

/// What a check has found, as a table and as JSON.
struct CheckReport: Encodable {
  struct Distance: Encodable {
    /// ‖K − F‖/‖F‖
    let relative: Double
    /// ⟨K, F⟩/(‖K‖‖F‖), which does not see a scale.
    let cosine: Double
    let isExact: Bool
    /// As the table has it.
    let text: String

    init(_ distance: BlockDistance) {
      (relative, cosine) = (distance.relative, distance.cosine)
      isExact = distance.relative <= 1e-8
      text =
        isExact
        ? "exact"
        : distance.relative < BlockDistance.resolution && !distance.isByElements
          ? "< 1e-7" : CheckReport.text(of: distance.relative)
    }

    enum CodingKeys: CodingKey { case relative, cosine, isExact }
  }

  struct Settings: Encodable {
    let expand: Distance?
    let reduce: Distance?
    /// Of a normalisation layer.
    let diagonal: Distance?
    let block: Distance?

    init(_ first: Distance, _ second: Distance, isNormalization: Bool) {
      (expand, reduce) = isNormalization ? (nil, nil) : (first, second)
      (diagonal, block) = isNormalization ? (first, second) : (nil, nil)
    }

    /// As the table has them, from left to right.
    var pair: (Distance, Distance) { (expand ?? diagonal!, reduce ?? block!) }
  }

  struct Layer: Encodable {
    let name: String
    let parameters: Int
    /// S
    let positions: Int
    let isNormalization: Bool
    /// Nil where expand and reduce are the same.
    let auto: String?
    let type2: Settings?
    let monteCarlo: Settings?
    let empirical: Settings
    /// The empirical Fisher matrix's own block from the Gauss–Newton matrix's.
    let empiricalFromGaussNewton: Distance?
  }

  let model: String
  let weights: String?
  let data: String
  let parameters: Int
  let examples: Int
  let positions: Int
  let outputs: Int
  let fisherSamples: Int
  let seed: UInt64
  let layers: [Layer]
  /// Tensors that have no curvature in K-FAC.
  let outside: [String]
  /// By type of row, of M-FAC's Fisher matrix from the empirical one in double precision.
  let mfac: [String: Double]

  init(
    of network: CheckedNetwork, layers: [CurvatureCheck.Layer],
    rows: [(type: RowType, distance: Double)]
  ) {
    (model, weights, data) = (network.name, network.weights, "\(network.dataset)")
    parameters = network.description.layout.count
    (examples, positions) = (network.examples, network.description.positions)
    outputs = network.description.outputCount
    (fisherSamples, seed, outside) = (network.samples, network.seed, network.outside)
    mfac = Dictionary(uniqueKeysWithValues: rows.map { ($0.type.rawValue, $0.distance) })
    self.layers = layers.map { result in
      func settings(_ fisher: Curvature.Fisher) -> Settings? {
        func distance(_ axis: SharedAxis) -> Distance? {
          result.distances.first { $0.fisher == fisher && $0.axis == axis }
            .map { Distance($0.distance) }
        }
        return distance(.expand).flatMap { expand in
          distance(.reduce).map {
            Settings(expand, $0, isNormalization: result.layer.isNormalization)
          }
        }
      }
      return Layer(
        name: result.layer.name, parameters: result.layer.parameters.count,
        positions: result.layer.shape.positions, isNormalization: result.layer.isNormalization,
        auto: result.automatic?.rawValue, type2: settings(.type2),
        monteCarlo: settings(.monteCarlo(samples: network.samples)),
        empirical: settings(.empirical)!,
        empiricalFromGaussNewton: result.empirical.map(Distance.init))
    }
  }

  /// - Throws: `InputError` naming the file.
  func write(to path: String) throws {
    let bytes = Array("\(try JSONText.of(self))\n".utf8)
    try AtomicFile.write(to: path) { file throws(InputError) in try file.write(bytes) }
  }
}
