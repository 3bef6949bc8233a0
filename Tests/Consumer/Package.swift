// swift-tools-version: 6.2

import PackageDescription

// A package outside this one that uses the library, like a user's package.
let package = Package(
  name: "consumer",
  dependencies: [.package(name: "swift-mfac", path: "../..")],
  targets: [
    .executableTarget(
      name: "consumer", dependencies: [.product(name: "MFAC", package: "swift-mfac")])
  ]
)
