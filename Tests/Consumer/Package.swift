// swift-tools-version: 6.2

import PackageDescription

// Another package that uses the library, as its users' do.
let package = Package(
  name: "consumer",
  dependencies: [.package(name: "swift-mfac", path: "../..")],
  targets: [
    .executableTarget(
      name: "consumer", dependencies: [.product(name: "MFAC", package: "swift-mfac")])
  ]
)
