import Plots

/// Provides the style sheet, for phones and paper and for light and dark mode.
enum Style {
  private static let light = "--faint:#f3f5f7;--quiet:#555b63;--link:#0a58a8;"
  private static let dark = "--faint:#20242a;--quiet:#a3aab4;--link:#7db7f0;"

  static var sheet: String {
    """
    :root { color-scheme: light dark; \(light)\(Color.variables(isDark: false)) }
    @media screen and (prefers-color-scheme: dark) {
      :root { \(dark)\(Color.variables(isDark: true)) }
    }
    * { box-sizing: border-box; }
    html { -webkit-text-size-adjust: 100%; text-size-adjust: 100%; }
    body { margin: 0 auto; padding: 1rem 0.75rem 3rem; max-width: 72rem; background: var(--ground);
      color: var(--text); font: 0.95rem/1.5 system-ui, "Helvetica Neue", Arial, "DejaVu Sans", \
      sans-serif;
      overflow-wrap: anywhere; }
    h1 { font-size: 1.5rem; line-height: 1.25; margin: 0.5rem 0; }
    h2 { font-size: 1.15rem; margin: 2.2rem 0 0.6rem; padding-bottom: 0.25rem;
      border-bottom: 1px solid var(--grid); }
    p, footer, figcaption span { color: var(--quiet); }
    p { margin: 0.5rem 0; max-width: 46rem; }
    footer { margin-top: 3rem; font-size: 0.85rem; }
    .scroll { overflow-x: auto; margin: 0.6rem 0; border: 1px solid var(--grid); border-radius: \
    6px; }
    table { border-collapse: collapse; width: 100%; font-size: 0.85rem;
      font-variant-numeric: tabular-nums; overflow-wrap: normal; }
    th, td { padding: 0.35rem 0.6rem; text-align: right; vertical-align: top; white-space: nowrap;
      border-bottom: 1px solid var(--grid); }
    thead th { white-space: normal; vertical-align: bottom; }
    tr:last-child > * { border-bottom: 0; }
    thead th { font-weight: 600; color: var(--quiet); background: var(--faint); }
    tbody th { font-weight: 500; }
    th.text, td.text { text-align: left; }
    th:first-child { position: sticky; left: 0; background: var(--ground); max-width: 45vw;
      white-space: normal; overflow-wrap: anywhere; min-width: min(9rem, 36vw); }
    thead th:first-child { background: var(--faint); }
    td.long { min-width: 14rem; max-width: 30rem; white-space: normal; }
    .run { display: inline-flex; gap: 0.5em; align-items: baseline; }
    .run i { flex: none; width: 0.7em; height: 0.7em; border-radius: 2px; }
    code { font: 0.9em ui-monospace, "DejaVu Sans Mono", monospace; }
    td code { white-space: pre-wrap; overflow-wrap: anywhere; }
    figure { margin: 1.4rem 0; break-inside: avoid; }
    figcaption { margin-bottom: 0.3rem; }
    .plots { display: grid; gap: 0.5rem 1.5rem;
      grid-template-columns: repeat(auto-fit, minmax(min(100%, 25rem), 1fr)); }
    .plots svg { display: block; width: 100%; max-width: 33rem; height: auto; }
    .legend { list-style: none; display: flex; flex-wrap: wrap; gap: 0.15rem 1.1rem; margin: \
    0.3rem 0 0;
      padding: 0; font-size: 0.85rem; max-height: 11rem; overflow-y: auto; }
    .legend li { display: flex; gap: 0.45rem; align-items: center; min-width: 0; }
    .legend svg { flex: none; height: 0.75rem; width: auto; }
    details { margin: 0.6rem 0; }
    summary { cursor: pointer; color: var(--link); }
    @media print {
      :root { color-scheme: light; }
      body { max-width: none; font-size: 9pt; padding: 0; }
      .scroll { overflow: visible; border: 0; }
      table { font-size: 7pt; }
      th, td { white-space: normal; padding: 0.15rem 0.3rem; }
      th, td.text { overflow-wrap: anywhere; }
      th:first-child { position: static; min-width: 4rem; }
      td.long { min-width: 0; }
      data { white-space: nowrap; }
      details::details-content { content-visibility: visible; height: auto; }
      .legend { max-height: none; }
      .plots { grid-template-columns: 1fr 1fr; }
      * { print-color-adjust: exact; }
    }
    """
  }
}
