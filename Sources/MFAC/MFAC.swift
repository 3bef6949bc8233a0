// The whole library under one name: `import MFAC`.

@_exported import Buffers
@_exported import Curvature
@_exported import Datasets
@_exported import Diagnostics
@_exported import Formats
@_exported import LinearAlgebra
@_exported import MPI
@_exported import Networks
@_exported import Optimizers
@_exported import Pruning
@_exported import RandomNumbers
@_exported import Sharding
@_exported import TrainedModels
@_exported import Training
