//! The page of a model server, in a real Chromium: the form, the answer, the keyboard, and what a policy forbids.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
};

use wharf_testkit::browser::Browser;

use crate::support::{copy, examples};

/// A model server of the host; ended when dropped.
struct Served {
    process: Child,
    url: String,
    _folder: tempfile::TempDir,
}

impl Served {
    /// Serves an example after something was done to its folder.
    fn start(example: &str, change: impl FnOnce(&Path)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let model = folder.path().join(example);
        copy(&examples().join(example), &model);
        change(&model);
        let mut process = Command::new(env!("CARGO_BIN_EXE_wharf"))
            .args(["serve", "-p", "0"])
            .arg(&model)
            .env("HOME", folder.path())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines =
            BufReader::new(process.stderr.take().unwrap()).lines().map_while(Result::ok);
        let url = lines
            .find_map(|line| Some(line[line.find("http://")?..].trim().to_owned()))
            .unwrap_or_default();
        let served = Self { process, url, _folder: folder };
        assert!(!served.url.is_empty(), "the server did not say where it is");
        served
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let pid = self.process.id().to_string();
        // wharf passes SIGTERM on to the server that it started.
        Command::new("kill").args(["-TERM", &pid]).status().ok();
        self.process.wait().ok();
    }
}

/// Fails when the page asked another host, broke its policy, opened a dialog, or threw.
fn nothing_foreign(browser: &mut Browser, url: &str) {
    let asked = browser.take_events("Network.requestWillBeSent");
    let foreign: Vec<_> = asked
        .iter()
        .filter_map(|event| event["params"]["request"]["url"].as_str())
        .filter(|asked| !asked.starts_with(url) && !asked.starts_with("data:"))
        .collect();
    assert!(foreign.is_empty(), "{foreign:?}");
    for bad in ["Page.javascriptDialogOpening", "Runtime.exceptionThrown"] {
        let events = browser.take_events(bad);
        assert!(events.is_empty(), "{events:?}");
    }
    let reports: Vec<_> = browser
        .take_events("Log.entryAdded")
        .into_iter()
        .filter(|event| event["params"]["entry"]["source"] == "security")
        .collect();
    assert!(reports.is_empty(), "{reports:?}");
}

#[tokio::test]
#[ignore = "needs browser"]
async fn a_person_tries_the_model() {
    let served = Served::start("iris", |_| {});
    let mut browser = Browser::start().await;
    browser.look(1100, 900, false).await;
    browser.open(&served.url).await;
    let first = browser.evaluate("document.querySelector('[data-kind=number]').value").await;
    assert_eq!(first, "5.1", "the example is filled in");
    browser.evaluate("document.querySelector('.go').click()").await;
    browser.until("document.querySelector('.result').innerText.includes('setosa')").await;
    browser.until("document.getAnimations().every(one => one.playState === 'finished')").await;
    let pictures = Path::new(env!("CARGO_TARGET_TMPDIR"));
    browser.screenshot(&pictures.join("page.png")).await;
    let loaded =
        "performance.getEntries().filter(e => ['navigation', 'resource'].includes(e.entryType))";
    let bytes =
        browser.evaluate(&format!("{loaded}.reduce((sum, e) => sum + e.transferSize, 0)")).await;
    assert!(bytes.as_u64().unwrap() <= 50_000, "{bytes} bytes on first load");
    let requests = browser.take_events("Network.requestWillBeSent").len();
    assert!(requests <= 6 + 2, "{requests} requests, two of them predictions");
    nothing_foreign(&mut browser, &served.url);
}

#[tokio::test]
#[ignore = "needs browser"]
async fn a_wrong_input_is_shown_beside_its_field() {
    let served = Served::start("iris", |_| {});
    let mut browser = Browser::start().await;
    browser.open(&served.url).await;
    let fill = "document.querySelector('[data-mode=json]').click();
        const text = document.querySelector('section.method:not([hidden]) textarea');
        text.value = '{\"data\": [[5.1, \"x\", 1.4, 0.2]]}';
        text.dispatchEvent(new Event('input', { bubbles: true }));
        document.querySelector('.go').click(); true";
    browser.evaluate(fill).await;
    browser.until("document.querySelector('form').innerText.includes('data[0][1]')").await;
    nothing_foreign(&mut browser, &served.url);
}

#[tokio::test]
#[ignore = "needs browser"]
async fn the_keyboard_alone_is_enough() {
    let served = Served::start("iris", |_| {});
    let mut browser = Browser::start().await;
    browser.open(&served.url).await;
    for _ in 0..40 {
        browser.press("Tab").await;
        let focused = "document.activeElement.classList.contains('go')";
        if browser.evaluate(focused).await == serde_json::Value::Bool(true) {
            browser.press("Enter").await;
            browser.until("document.querySelector('.result').innerText.includes('setosa')").await;
            return;
        }
    }
    panic!("the button cannot be reached");
}

#[tokio::test]
#[ignore = "needs browser"]
async fn it_fits_a_phone_in_the_dark_and_reads_without_scripts() {
    let served = Served::start("diabetes-lightgbm", |_| {});
    let mut browser = Browser::start().await;
    for (width, dark) in [(360, false), (360, true), (768, true), (1280, false)] {
        browser.look(width, 800, dark).await;
        browser.open(&served.url).await;
        let overflow =
            "document.documentElement.scrollWidth - document.documentElement.clientWidth";
        assert_eq!(browser.evaluate(overflow).await, 0, "{width} px wide");
    }
    let unlabelled = "[...document.querySelectorAll('input:not([aria-hidden=true]), select, textarea')]
        .filter(e => !e.labels?.length && !e.ariaLabel && !e.getAttribute('aria-labelledby')).length";
    assert_eq!(browser.evaluate(unlabelled).await, 0, "every field has a label");
    browser.scripts(false).await;
    browser.open(&served.url).await;
    browser.scripts(true).await;
    let text = browser.evaluate("document.body.innerText").await;
    let text = text.as_str().unwrap();
    assert!(text.contains("lightgbm") && text.contains("curl"), "{text}");
}

#[tokio::test]
#[ignore = "needs browser"]
async fn names_and_answers_of_others_run_no_script() {
    const PAYLOADS: [&str; 4] = [
        "<script>alert(1)</script>",
        "\\\"><img src=x onerror=alert(1)>",
        "</textarea><svg onload=alert(1)>",
        "javascript:alert(1)",
    ];
    let served = Served::start("iris", |folder| {
        let path = folder.join("wharf.yaml");
        let mut text = fs::read_to_string(&path).unwrap();
        for (name, payload) in
            ["sepal_length", "sepal_width", "setosa", "petal_width"].into_iter().zip(PAYLOADS)
        {
            text = text.replace(name, &format!("\"{payload}\""));
        }
        fs::write(path, text).unwrap();
    });
    let mut browser = Browser::start().await;
    for page in ["", "docs"] {
        browser.open(&format!("{}{page}", served.url)).await;
        if page.is_empty() {
            browser.evaluate("document.querySelector('.go').click()").await;
            browser.until("document.querySelector('.result').innerText.includes('textarea')").await;
        }
        let images = browser
            .evaluate("document.querySelectorAll('[onerror], [onload], script:not([src])').length")
            .await;
        assert_eq!(images, 0, "on /{page}");
        nothing_foreign(&mut browser, &served.url);
    }
}
