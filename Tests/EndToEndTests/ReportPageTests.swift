import Formats
import Foundation
import RunRecords
import Support
import Testing

/// Tests a page as a browser lays it out.
@Suite(
  .enabled(
    if: Browser.program != nil,
    "no Chromium found (Debian's package chromium): no page is laid out"))
struct ReportPageTests {
  /// Writes runs with everything that a report can show, with long and short names.
  private func page(in directory: TemporaryDirectory) throws -> String {
    func run(_ name: String, rate: Double) throws -> String {
      try WrittenRun.write(
        name, in: directory,
        settings:
          "model: cnn\noptimizer: mfac\nwindow: 64\nlearning-rate: \(rate)\nnote: \(name)\n",
        steps: (0..<300).map { step in
          let t = Double(step)
          let spectrum =
            step % 10 == 0
            ? "\"gram_largest\":\(100 / (t + 1)),\"gram_median\":\(0.1 / (t + 1)),"
              + "\"gram_smallest\":\(1e-9 * t),\"gram_effective_rank\":\(t / 10),"
            : ""
          return .init(
            loss: 1e-3 + 3 / (1 + rate * t), seconds: 0.01 * rate,
            more:
              "\"damping\":0.0001,\"direction_norm\":\(t),"
              + "\"angle\":\(60 + 10 * sin(t)),\"sparsity\":0.5,"
              + spectrum)
        },
        evaluations: (1...30).map { index in
          (
            10 * index,
            "\"test_loss\":\(1 / Double(index)),"
              + "\"test_accuracy\":\(0.97 + 0.0001 * rate * Double(index)),"
              + "\"training_seconds\":\(rate * Double(index)),\"seconds_since_start\":400"
          )
        })
    }
    let runs = [
      try run("a", rate: 1), try run("fashion-mnist-cnn-mfac-20260101-010203", rate: 3),
      try run(String(repeating: "x", count: 70), rate: 2),
    ]
    var pruned = PruningReport(
      data: "digits: 1", network: "cnn", weights: "w", method: "mfac", scope: "global",
      pattern: "unstructured", settings: [:], parameters: 100, prunable: 100, multiplyAdds: nil,
      weigh: "none", dense: .init(loss: 1, accuracy: 0.9))
    pruned.results = [50, 20, 10, 5, 2, 1].map { kept in
      let tensor = PruningReport.Tensor(
        name: "a", shape: [100], isPrunable: true, weights: 100, kept: kept,
        multiplyAddsPerWeight: 0)
      return PruningReport.Result(
        requestedSparsity: tensor.sparsity, tensors: [tensor], stages: [], hasNetwork: false,
        quality: .init(loss: 1, accuracy: 1 - tensor.sparsity / 2), seconds: .init(), model: "m",
        masks: "k", sparse: "s", bytes: .init(model: 5, masks: 5, sparse: nil))
    }
    let result = { (ranks: Int) in
      "{\"ranks\":\(ranks),\"seconds\":\(1 / Double(ranks)),\"efficiency\":0.\(ranks),"
        + "\"messages\":1,\"bytes\":2,\"phases\":[{\"phase\":\"gradient\",\"seconds\":0.0123,"
        + "\"fastest_seconds\":0.01,\"messages\":0,\"bytes\":0},{\"phase\":\"reduce_scatter\","
        + "\"seconds\":0.0001,\"fastest_seconds\":0.00001,\"messages\":0,\"bytes\":0}]}"
    }
    let problem =
      "{\"part\":\"optimizer\",\"scaling\":\"strong\",\"parameters\":1000,\"optimizer\":\"sgd\"}"
    let results = [1, 2, 3, 4, 5, 6, 7, 8].map(result).joined(separator: ",")
    let files = [
      try directory.write(JSONText.of(pruned), to: "report.json"),
      try directory.write(
        "{\"curves\":[{\"problem\":\(problem),\"measured\":[\(results)],"
          + "\"predicted\":[\(results)]}]}",
        to: "scaling.json"),
      try directory.write("{\"problem\":\(problem),\"result\":\(result(2))}", to: "step.json"),
      try directory.write(
        "[{\"parameters\":1000,\"window\":256,\"type\":\"bfloat16\",\"density\":0.01,"
          + "\"bytes\":1000000,\"streaming_bytes_per_second\":1e9,\"seconds\":{\"gram_row\":0.01,"
          + "\"direction\":0.002,\"factor\":0.0003,\"stage\":1e-6,\"passes\":0.012}}]",
        to: "window.json"),
      try directory.write(
        "[{\"network\":\"cnn\",\"batch\":128,\"micro_batches\":8,\"median_ms\":3.5,"
          + "\"minimum_ms\":3,\"repetitions\":9}]",
        to: "networks.json"),
    ]
    return try Report(
      on: runs + files, ["--title", String(repeating: "long ", count: 30)], in: directory
    ).text
  }

  @Test("nothing on the page overlaps or overflows", arguments: [390, 800, 1200], [false, true])
  func pageLayout(width: Int, isDark: Bool) throws {
    let directory = try TemporaryDirectory()
    let page = try page(in: directory)
    let layout = try Browser.layout(of: page, width: width, isDark: isDark, in: directory)
    #expect(layout.width == width)
    #expect(layout.scrollWidth <= width, "the page scrolls sideways: \(layout.scrollWidth)")
    #expect(layout.outside == [], "what sticks out of the page")
    #expect(layout.overlaps == [], "texts over one another")
    #expect(layout.cut == [], "texts out of their drawing")
    // Eleven quantities by steps and by time, scaling, pruning, and bars of phases and benchmarks.
    #expect(layout.plots == 11 * 2 + 3 + 1 + 4)
    #expect(layout.unlabelled == 0, "plots whose axes have no titles")
    #expect(layout.isDark == isDark)
    #expect(layout.contrast >= 4.5, "of the least visible text")
    #expect(layout.smallestText >= 10, "pixels")
  }
}

/// Chromium, if it is installed.
enum Browser {
  static let program: String? = {
    let directories = (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":")
    let programs = ["chromium", "chromium-browser", "google-chrome"].flatMap { name in
      directories.map { "\($0)/\(name)" }
    }
    return programs.first { (path: String) in access(path, X_OK) == 0 }
  }()

  struct Layout: Decodable {
    let width: Int
    let scrollWidth: Int
    let outside: [String]
    let overlaps: [String]
    let cut: [String]
    let plots: Int
    let unlabelled: Int
    let isDark: Bool
    let contrast: Double
    let smallestText: Double
  }

  /// Returns the page's own measurements in a frame of this width.
  static func layout(
    of page: String, width: Int, isDark: Bool, in directory: TemporaryDirectory
  ) throws -> Layout {
    let measured = page.replacing("</body>", with: "<script>\(measurement)</script></body>")
    _ = try directory.write(measured, to: "measured.html")
    let frame = try directory.write(
      """
      <body><iframe src="measured.html" style="width:\(width)px;height:3000px;border:0"></iframe>
      <script>onmessage = e => { document.body.textContent = "<<" + e.data + ">>"; };</script>
      </body>
      """, to: "frame.html")
    let process = Process()
    process.executableURL = URL(filePath: program!)
    process.arguments =
      [
        "--headless", "--hide-scrollbars", "--no-sandbox", "--disable-gpu",
        "--disable-dev-shm-usage",
        "--user-data-dir=\(directory.path("browser"))", "--window-size=1400,1000",
        "--virtual-time-budget=10000", "--dump-dom",
      ] + (isDark ? ["--blink-settings=preferredColorScheme=0"] : []) + ["file://\(frame)"]
    let outcome = try Program.run(process)
    let text = try #require(
      outcome.output.firstMatch(of: /&lt;&lt;(.*)&gt;&gt;/.dotMatchesNewlines()),
      "\(outcome.output.suffix(500)) \(outcome.errors.suffix(500))"
    ).1.replacing("&lt;", with: "<").replacing("&gt;", with: ">").replacing("&amp;", with: "&")
    return try JSONDecoder().decode(Layout.self, from: Data(text.utf8))
  }

  private static let measurement = """
    const root = document.documentElement, name = e => e.tagName + " " + e.textContent.slice(0, 40);
    document.querySelectorAll("details").forEach(d => d.open = true);
    const outside = [...document.body.querySelectorAll("*")].filter(e => !e.closest(".scroll *")
      && e.getBoundingClientRect().right > root.clientWidth + 1).map(name);
    const overlaps = [], cut = [], svgs = [...document.querySelectorAll(".plots svg")];
    let smallest = 1e9;
    for (const svg of svgs) {
      const box = svg.getBoundingClientRect();
      const texts = [...svg.querySelectorAll("text")].map(t => [t, t.getBoundingClientRect()]);
      texts.forEach(([t, a], i) => {
        smallest = Math.min(smallest, parseFloat(getComputedStyle(t).fontSize) * box.width
          / svg.viewBox.baseVal.width);
        if (a.left < box.left - 1 || a.right > box.right + 1 || a.top < box.top - 1
          || a.bottom > box.bottom + 1) cut.push(t.textContent);
        for (const [u, b] of texts.slice(i + 1))
          if (Math.min(a.right, b.right) - Math.max(a.left, b.left) > 1
            && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 2)
            overlaps.push(t.textContent + " | " + u.textContent);
      });
    }
    const light = color => { const c = color.match(/[0-9.]+/g).slice(0, 3).map(v => v / 255)
      .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
      return 0.2126 * c[0] + 0.7152 * c[1] + 0.0722 * c[2]; };
    const ground = light(getComputedStyle(document.body).backgroundColor);
    const contrast = color => { const l = light(color);
      return (Math.max(l, ground) + 0.05) / (Math.min(l, ground) + 0.05); };
    const contrasts = [...document.querySelectorAll("svg text")].map(t => getComputedStyle(t).fill)
      .concat([...document.querySelectorAll("p, td, th, figcaption, summary, footer, h1, h2")]
        .map(t => getComputedStyle(t).color)).map(contrast);
    const unlabelled = svgs.filter(s => {
      const titles = [...s.querySelectorAll(".axis-title")].filter(t => t.textContent.trim());
      return titles.length < (s.querySelector("rect") ? 1 : 2); }).length;
    parent.postMessage(JSON.stringify({ width: root.clientWidth, scrollWidth: root.scrollWidth,
      outside, overlaps, cut, plots: svgs.length, unlabelled, isDark: ground < 0.2,
      contrast: Math.min(...contrasts), smallestText: smallest }), "*");
    """
}
