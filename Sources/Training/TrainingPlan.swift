import Datasets
import Networks
import Optimizers

/// A training run as it is to be. The defaults are the program's.
public struct TrainingPlan: Sendable {
  /// What to do with gradients that are not finite.
  public enum OnNonFinite: String, CaseIterable, Sendable {
    /// Leave such steps out, however many there are.
    case skip
    /// Leave them out, and stop after ten in a row.
    case stop
  }

  /// When checkpoints are made, beside those that a signal asks for.
  public struct Saving: Sendable, Equatable {
    /// After every so many steps; nil for not.
    public var everySteps: Int?
    /// After every so many seconds; nil for not.
    public var everySeconds: Double?
    /// How many stay, the newest ones.
    public var keepLast = 2
    /// Whether the optimizer's window is in them; it is most of their size, and fills anew without.
    public var includesWindow = true

    /// Only when a signal asks.
    public init() {}
  }

  /// Where the run begins.
  public enum Resume: Sendable, Equatable {
    /// At its first step, in a directory without a run.
    case never
    /// At the newest checkpoint in the run's directory that is whole; where there is none, at the
    /// first step, and the files of an earlier start are kept beside. A finished run stays as it
    /// is.
    case automatic
    /// At the checkpoint in that directory.
    case from(String)
  }

  /// To train and to test on.
  public var dataset: Dataset
  /// To be trained.
  public var network: NetworkDescription
  /// Which, with its settings.
  public var optimizer: any OptimizerConfiguration
  /// Of the learning rate; it tells the steps too.
  public var schedule: LearningRateSchedule
  /// Which examples make the batch of a step.
  public var batches: BatchOrder
  /// Parameters treated otherwise than the rest; a tensor follows the first rule that matches it.
  public var rules: [ParameterRule] = []
  /// The largest norm that a gradient keeps, over all parameters, or nil.
  public var clipNorm: Double?
  /// Whether initial weights that are zero are taken for removed, in tensors of two dimensions or
  /// more. M-FAC's window has no columns for what is removed.
  public var sparse = false
  /// A file of masks: the weights that it removes are zero and stay so.
  public var masks: String?
  /// How weights are removed meanwhile.
  public var pruning: PruningPlan?
  /// Parts of a batch that are computed apart; at least as many as there are ranks, and a divisor
  /// of the batch size.
  public var microBatches = 8
  /// To be minimized; it must fit the dataset's targets.
  public var loss = Loss.crossEntropy()
  /// A safetensors file; initial weights are drawn by `seed` where there is none.
  public var initialWeights: String?
  /// Of initial weights and dropout.
  public var seed: UInt64 = 0
  /// What to do with gradients that are not finite.
  public var onNonFinite = OnNonFinite.stop
  /// Steps between two evaluations, which save the network too; nil: an epoch.
  public var evaluateEvery: Int?
  /// Where the run's files go.
  public var runDirectory: String
  /// Whether there are such files; a benchmark leaves none.
  package var keepsFiles = true
  /// When checkpoints are made.
  public var saving = Saving()
  /// Where the run begins.
  public var resume = Resume.never
  /// Whether a run that is in the directory goes when this one starts; not with `Resume.automatic`.
  public var overwrites = false
  /// The settings as resolved, in YAML: the run's `config.yaml`.
  public var configuration = ""
  /// What rank 0 tells meanwhile.
  public var progress = Progress.Style.automatic
  /// Whether rank 0 says in the end what each phase has cost.
  public var logView = false
  /// Whether there are event files for TensorBoard.
  public var tensorboard = false
  /// Steps > 0 between two spectra of the Gram matrix, where there are any.
  public var spectrumEvery: Int?

  /// The program's defaults for the rest.
  public init(
    dataset: Dataset, network: NetworkDescription,
    optimizer: any OptimizerConfiguration, schedule: LearningRateSchedule, batches: BatchOrder,
    runDirectory: String
  ) {
    self.dataset = dataset
    self.network = network
    self.optimizer = optimizer
    self.schedule = schedule
    self.batches = batches
    self.runDirectory = runDirectory
  }
}
