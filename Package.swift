// swift-tools-version: 6.2

import PackageDescription

// The arrows of the design: a target imports what it lists here. `make lint` checks the ones that
// matter most.
// Tests that start programs compute nothing themselves, and are built sooner without optimisation.
let unoptimized: [SwiftSetting] = [.unsafeFlags(["-Onone"])]

let package = Package(
  name: "swift-mfac",
  products: [
    .library(name: "MFAC", targets: ["MFAC"]),
    .executable(name: "swift-mfac-train", targets: ["swift-mfac-train"]),
    .executable(name: "swift-mfac-prune", targets: ["swift-mfac-prune"]),
    .executable(name: "swift-mfac-fisher", targets: ["swift-mfac-fisher"]),
    .executable(name: "swift-mfac-bench", targets: ["swift-mfac-bench"]),
    .executable(name: "swift-mfac-report", targets: ["swift-mfac-report"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
  ],
  targets: [
    // System libraries.
    .systemLibrary(
      name: "COpenMPI", pkgConfig: "ompi-c", providers: [.apt(["libopenmpi-dev", "openmpi-bin"])]),
    .systemLibrary(
      name: "COpenBLAS", pkgConfig: "openblas", providers: [.apt(["libopenblas-dev"])]),
    .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
    .systemLibrary(
      name: "CCrypto", pkgConfig: "libcrypto", providers: [.apt(["libssl-dev"])]),

    // C: loops that BLAS has no form for, and the digits embedded as data.
    .target(name: "CKernels"),
    // What a program does before its libraries are loaded.
    .target(name: "CStart"),
    .target(
      name: "CDigits",
      exclude: [
        "train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz", "t10k-images-idx3-ubyte.gz",
        "t10k-labels-idx1-ubyte.gz", "SOURCE.md",
      ]),

    .target(name: "Buffers"),
    .target(name: "RandomNumbers"),
    .target(name: "Sharding"),
    // This module records which files were opened. The modules that open files and the one that
    // compares them across ranks do not import each other.
    .target(name: "FileRecords"),
    // Errors and warnings keep the settings that they name, for whoever prints them.
    .target(name: "Diagnostics"),
    .target(
      name: "MPI", dependencies: ["Buffers", "COpenMPI", "Diagnostics", "FileRecords", "Sharding"]),
    .target(
      name: "LinearAlgebra", dependencies: ["Buffers", "COpenBLAS", "CKernels", "Diagnostics"]),
    .target(name: "Curvature", dependencies: ["LinearAlgebra", "Sharding"]),
    .target(
      name: "Networks",
      dependencies: [
        "Curvature", "LinearAlgebra", "RandomNumbers", .product(name: "Yams", package: "Yams"),
      ]),
    .target(
      name: "Formats",
      dependencies: ["CCrypto", "CZlib", "Diagnostics", "FileRecords", "LinearAlgebra"]),
    .target(
      name: "Datasets",
      dependencies: [
        "CDigits", "Diagnostics", "Formats", "LinearAlgebra", "RandomNumbers",
      ]),
    .target(
      name: "Optimizers",
      dependencies: [
        "Curvature", "Diagnostics", "LinearAlgebra", "MPI", "Sharding",
      ]),
    .target(
      name: "Pruning",
      dependencies: [
        "Curvature", "Diagnostics", "Formats", "LinearAlgebra", "MPI", "Sharding",
      ]),
    // One sealed, atomic directory for training and for stages of pruning.
    .target(
      name: "Checkpoints",
      dependencies: [
        "Diagnostics", "Formats", "MPI", "Sharding",
      ]),
    // Networks with their data, and models of other frameworks: weights, evaluation, gradients.
    .target(
      name: "TrainedModels",
      dependencies: [
        "Curvature", "Datasets", "Diagnostics", "Formats", "LinearAlgebra", "MPI", "Networks",
        "Pruning", "Sharding",
      ]),
    .target(
      name: "Training",
      dependencies: [
        "Checkpoints", "Curvature", "Datasets", "Diagnostics", "Formats", "LinearAlgebra", "MPI",
        "Networks", "Optimizers", "Pruning", "RandomNumbers", "RunRecords", "Sharding",
        "TrainedModels",
      ]),
    // All of the above for other packages: `import MFAC`.
    .target(
      name: "MFAC",
      dependencies: [
        "Buffers", "Curvature", "Datasets", "Diagnostics", "Formats",
        "LinearAlgebra", "MPI", "Networks", "Optimizers", "Pruning", "RandomNumbers", "Sharding",
        "TrainedModels", "Training",
      ]),
    .target(
      name: "ProgramOptions",
      dependencies: [
        "CStart", "Curvature", "Datasets", "Diagnostics", "Formats", "LinearAlgebra", "MPI",
        "Networks", "Optimizers", "Pruning", "TrainedModels", "Training",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ]),
    .target(name: "Plots", dependencies: ["Formats"]),
    // The schema of each file that programs write, for writers, readers and tests.
    .target(
      name: "RunRecords",
      dependencies: [
        "Diagnostics", "Formats", "LinearAlgebra", "MPI", "Optimizers",
        .product(name: "Yams", package: "Yams"),
      ]),
    .executableTarget(
      name: "swift-mfac-train",
      dependencies: [
        "Checkpoints", "Datasets", "Formats", "FileRecords", "ProgramOptions",
        "LinearAlgebra", "MPI",
        "Networks",
        "Optimizers", "Pruning", "RunRecords", "TrainedModels", "Training",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
        .product(name: "Yams", package: "Yams"),
      ]),

    .executableTarget(
      name: "swift-mfac-prune",
      dependencies: [
        "Checkpoints", "Curvature", "Diagnostics", "Formats", "LinearAlgebra", "MPI", "Networks",
        "ProgramOptions", "Pruning", "RunRecords", "Sharding", "TrainedModels", "Training",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ]),

    .executableTarget(
      name: "swift-mfac-fisher",
      dependencies: [
        "Curvature", "Diagnostics", "Formats", "LinearAlgebra", "MPI", "Networks", "ProgramOptions",
        "Pruning", "RunRecords", "Sharding", "TrainedModels", "Training",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ]),

    .executableTarget(
      name: "swift-mfac-bench",
      dependencies: [
        "Curvature", "Datasets", "Diagnostics", "Formats", "LinearAlgebra", "MPI", "Networks",
        "Optimizers", "ProgramOptions", "Pruning", "RandomNumbers", "RunRecords", "Sharding",
        "TrainedModels", "Training",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ]),

    .executableTarget(
      name: "swift-mfac-report",
      dependencies: [
        "Diagnostics", "FileRecords", "Formats", "MPI", "Plots", "ProgramOptions", "RunRecords",
        "TrainedModels", "Training",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ]),

    // Tests of all modules share the launcher of programs, temporary directories and errors.
    .target(name: "Support", path: "Tests/Support"),
    // Dense double-precision truth, and the ladder of tests on it.
    .target(name: "Reference", dependencies: ["Support"], path: "Tests/Reference"),
    // Spoiled files for the readers of all formats.
    .target(
      name: "Mutations", dependencies: ["RandomNumbers", "Support"], path: "Tests/Mutations"),
    .testTarget(name: "ShardingTests", dependencies: ["Sharding"]),
    .testTarget(
      name: "LinearAlgebraTests",
      dependencies: ["CKernels", "LinearAlgebra", "RandomNumbers", "Reference", "Support"]),
    .testTarget(
      name: "CurvatureTests",
      dependencies: [
        "Curvature", "LinearAlgebra", "Networks", "RandomNumbers", "Reference", "Sharding",
        "Support", "TrainedModels", "Training",
      ]),
    .testTarget(
      name: "NetworksTests",
      dependencies: ["Networks", "LinearAlgebra", "Mutations", "RandomNumbers", "Support"],
      exclude: ["torch-layers.py"]),
    .testTarget(
      name: "DatasetsTests",
      dependencies: [
        "Datasets", "Formats", "FileRecords", "LinearAlgebra", "Mutations", "RandomNumbers",
        "Support",
      ]),
    .testTarget(
      name: "TrainingTests",
      dependencies: [
        "Checkpoints", "Datasets", "Diagnostics", "Formats", "LinearAlgebra", "Mutations",
        "Networks", "ProgramOptions", "Pruning", "RunRecords", "Support", "TrainedModels",
        "Training",
      ],
      exclude: ["ResNet20"]),
    .testTarget(name: "OptimizersTests", dependencies: ["Curvature", "Optimizers", "Sharding"]),
    .testTarget(
      name: "PruningTests",
      dependencies: [
        "Curvature", "LinearAlgebra", "Pruning", "RandomNumbers", "Reference", "Sharding",
      ]),
    .testTarget(
      name: "BenchTests", dependencies: ["MPI", "RunRecords", "Sharding", "swift-mfac-bench"]),
    .testTarget(name: "PlotsTests", dependencies: ["Formats", "Plots"]),
    // What malloc says of itself, which Glibc's module does not have.
    .target(name: "CHeap", path: "Tests/CHeap"),
    .executableTarget(
      name: "ranks-check",
      dependencies: [
        "CHeap", "Curvature", "Datasets", "Formats", "ProgramOptions", "LinearAlgebra", "MPI",
        "Networks",
        "Optimizers",
        "Pruning", "RandomNumbers", "Reference", "Sharding", "Support", "TrainedModels", "Training",
      ], path: "Tests/RanksCheck"),
    .testTarget(
      name: "EndToEndTests",
      dependencies: [
        "Checkpoints", "Formats", "LinearAlgebra", "Mutations", "Optimizers", "RunRecords",
        "Support",
        "Training", "ranks-check",
        "swift-mfac-bench",
        "swift-mfac-fisher",
        "swift-mfac-prune", "swift-mfac-report",
        "swift-mfac-train",
      ],
      exclude: ["Trajectories", "event-files.py"], swiftSettings: unoptimized),
  ]
)
