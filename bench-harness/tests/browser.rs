//! `report.html` as a browser lays it out: nothing wider than the window, no text outside of its picture or over
//! another, everything reachable. Skipped, with a line, where no Chromium is installed.

#![expect(clippy::unwrap_used, reason = "a test ends where its expectation fails")]

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

const BROWSERS: [&str; 5] =
    ["chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "chrome"];

fn browser() -> Option<PathBuf> {
    let named = env::var_os("BROWSER_FOR_TESTS").map(PathBuf::from);
    named.or_else(|| {
        let folders = env::var_os("PATH")?;
        env::split_paths(&folders)
            .flat_map(|folder| BROWSERS.map(|name| folder.join(name)))
            .find(|path| path.is_file())
    })
}

/// The page of the newest run that is kept, which has more rows than any run that a test has time for.
fn page() -> String {
    let results = Path::new(env!("CARGO_MANIFEST_DIR")).join("../results");
    let runs = fs::read_dir(results).unwrap().map(|entry| entry.unwrap().path());
    let newest = runs.filter(|run| run.join("report.json").is_file()).max().unwrap();
    let output = Command::new(assert_cmd::cargo::cargo_bin!("ipc-bench"))
        .args(["report", "--format", "html"])
        .arg(newest)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// What the browser says about the page, as a JSON object in an attribute of its root.
const PROBE: &str = r#"<script>
const box = e => e.getBoundingClientRect();
const found = [];
for (const svg of document.querySelectorAll('svg')) {
  const frame = box(svg), texts = [...svg.querySelectorAll('text')];
  for (const t of texts) {
    const b = box(t);
    if (b.left < frame.left - 8 || b.right > frame.right + 8 || b.top < frame.top - 4 || b.bottom > frame.bottom + 4)
      found.push(svg.querySelector('title').textContent + ': ' + t.textContent + ' leaves the picture');
  }
  const names = texts.filter(t => t.classList.contains('name'));
  for (let i = 0; i < names.length; i++) for (let j = 0; j < i; j++) {
    const a = box(names[i]), b = box(names[j]);
    if (Math.min(a.right, b.right) - Math.max(a.left, b.left) > 2 && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 4)
      found.push(svg.querySelector('title').textContent + ': ' + names[i].textContent + ' lies over ' + names[j].textContent);
  }
}
const numbers = text => text.match(/[\d.]+/g).map(Number);
const light = ([r, g, b]) => {
  const part = c => (c /= 255) <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  return 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
};
const paper = light(numbers(getComputedStyle(document.body).backgroundColor));
let contrasts = 0;
for (const t of document.querySelectorAll('p, a, th, td, li, svg text')) {
  const style = getComputedStyle(t), svg = t instanceof SVGElement;
  const sheet = t.closest('li') && numbers(getComputedStyle(t.closest('li')).backgroundColor);
  const under = !svg && sheet && sheet.length === 3 ? light(sheet) : paper;
  const over = light(numbers(svg ? style.fill : style.color));
  const ratio = (Math.max(over, under) + 0.05) / (Math.min(over, under) + 0.05);
  contrasts++;
  if (ratio < 4.5) found.push(`contrast ${ratio.toFixed(2)}: ${t.textContent.slice(0, 40)}`);
}
let level = 0;
for (const h of document.querySelectorAll('h1, h2, h3')) {
  const next = Number(h.tagName[1]);
  if (next > level + 1) found.push(`heading ${h.textContent} skips a level`);
  level = next;
}
for (const wide of document.querySelectorAll('.scroll, pre'))
  if (wide.tabIndex !== 0) found.push('a part that scrolls cannot be reached with the keyboard');
let options = 0;
for (const option of document.querySelectorAll('code span')) {
  options += option.getClientRects().length > 0;
  if (option.getClientRects().length > 1) found.push(`the option ${option.textContent} is broken`);
}
const root = document.documentElement;
root.setAttribute('data-probe', JSON.stringify({
  contrasts, options, window: innerWidth, width: root.scrollWidth, pictures: document.querySelectorAll('svg').length, found,
  dark: matchMedia('(prefers-color-scheme: dark)').matches,
  paper: getComputedStyle(document.body).backgroundColor,
}));
</script>"#;

fn probe(browser: &Path, folder: &Path, page: &str, width: u32, dark: bool) -> Value {
    let (before, after) = page.split_once("<meta http-equiv").unwrap();
    // The page forbids scripts; the probe is one, so it runs in a copy without that line.
    let after = after.split_once("/>").unwrap().1.replace("</body>", &format!("{PROBE}</body>"));
    let copy = folder.join("probe.html");
    fs::write(&copy, format!("{before}{after}")).unwrap();
    let profile = tempfile::tempdir().unwrap();
    let output = Command::new(browser)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--dump-dom"])
        .arg(format!("--window-size={width},900"))
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg(format!("--blink-settings=preferredColorScheme={}", if dark { 0 } else { 1 }))
        .arg(format!("file://{}", copy.display()))
        .output()
        .unwrap();
    let dom = String::from_utf8_lossy(&output.stdout).into_owned();
    let (_, rest) = dom.split_once("data-probe=\"").unwrap_or_else(|| {
        panic!("the browser said nothing: {}", String::from_utf8_lossy(&output.stderr))
    });
    let text = rest.split('"').next().unwrap().replace("&quot;", "\"").replace("&amp;", "&");
    serde_json::from_str(&text).unwrap()
}

#[test]
fn a_report_fits_every_window_in_light_and_dark() {
    let Some(browser) = browser() else {
        eprintln!("skipped: no Chromium on PATH; BROWSER_FOR_TESTS may name one");
        return;
    };
    let page = page();
    let copies = tempfile::tempdir().unwrap();
    for (width, dark) in [(360, false), (800, false), (1400, false), (360, true), (1400, true)] {
        let said = probe(&browser, copies.path(), &page, width, dark);
        assert_eq!(said["window"], width, "{said}");
        assert!(said["width"].as_u64() <= Some(u64::from(width)), "wider than {width}: {said}");
        assert!(said["pictures"].as_u64() > Some(5), "{said}");
        assert!(said["contrasts"].as_u64() > Some(200), "{said}");
        assert!(said["options"].as_u64() > Some(5), "{said}");
        assert_eq!(said["found"], Value::Array(vec![]), "at {width}");
        assert_eq!(said["dark"], dark, "{said}");
        assert_eq!(said["paper"] == "rgb(255, 255, 255)", !dark, "{said}");
    }
}

#[test]
fn a_report_can_be_printed() {
    let Some(browser) = browser() else {
        eprintln!("skipped: no Chromium on PATH; BROWSER_FOR_TESTS may name one");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let (copy, paper) = (folder.path().join("report.html"), folder.path().join("report.pdf"));
    fs::write(&copy, page()).unwrap();
    let output = Command::new(browser)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--no-pdf-header-footer"])
        .arg(format!("--user-data-dir={}", folder.path().join("profile").display()))
        .arg(format!("--print-to-pdf={}", paper.display()))
        .arg(format!("file://{}", copy.display()))
        .output()
        .unwrap();
    let pdf = fs::read(&paper).unwrap_or_default();
    assert!(pdf.starts_with(b"%PDF"), "{}", String::from_utf8_lossy(&output.stderr));
    let pages = pdf.windows(12).filter(|at| at == b"/Type /Page\n").count();
    eprintln!("{pages} pages");
    assert!((3..40).contains(&pages), "{pages} pages");
}
