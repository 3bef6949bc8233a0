import Foundation
import Support
import Synchronization
import Testing

/// Networks briefly trained on the digits; trains each once for all tests that begin with it.
enum TrainedDigits {
  private static let files = Mutex<[[String]: String]>([:])

  /// Trains a network by SGD at a learning rate of 0.05.
  ///
  /// - Parameters:
  ///   - model: a model's name, or the text of a model file.
  ///   - settings: the number of epochs, and other settings of the training.
  /// - Returns: the file of the weights.
  static func weights(of model: String, _ settings: [String]) throws -> String {
    try files.withLock { files in
      if let file = files[[model] + settings] { return file }
      let directory = TemporaryDirectory.ofAllTests
      let (run, yaml) = (directory.path("\(files.count)"), "\(files.count).yaml")
      let outcome = try Program.train(
        [
          "--dataset", "digits", "--optimizer", "sgd", "--learning-rate", "0.05",
          "--run-directory", run, "--model",
          model.contains("\n") ? try directory.write(model, to: yaml) : model,
        ] + settings)
      try #require(outcome.status == 0, "\(outcome.errors)")
      files[[model] + settings] = "\(run)/model.safetensors"
      return "\(run)/model.safetensors"
    }
  }
}
