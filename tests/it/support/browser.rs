//! A headless browser, told what to do by the Chrome `DevTools` protocol over pipes.
//!
//! *Owns*: starting and stopping it, commands, what it complains of.
//! *Does not own*: any assertion.
//! *Invariants*: it runs only where `SKYQL_BROWSER` names its program; it opens files, and its profile goes when it does.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value, json};
use skyql::Env;
use tempfile::TempDir;

/// One page of a running browser.
pub(crate) struct Browser {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
    session: String,
    last: u64,
    loads: usize,
    /// What pages wrote to the console, and what they threw.
    pub(crate) complaints: Vec<String>,
    _profile: TempDir,
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _gone = self.child.wait();
    }
}

impl Browser {
    /// The browser that the environment names, if it names one.
    pub(crate) fn start() -> Option<Self> {
        let program = Env::process().get("SKYQL_BROWSER")?;
        let profile = TempDir::new().unwrap();
        // The browser reads commands from descriptor 3 and answers on 4.
        let mut child = Command::new("sh")
            .args(["-c", "exec \"$0\" \"$@\" 3<&0 4>&1 </dev/null >/dev/null 2>/dev/null"])
            .arg(program)
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe", "--window-size=1200,900"])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg("about:blank")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (to, from) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        let session = String::new();
        let mut browser =
            Self { child, to, from, session, last: 0, loads: 0, complaints: Vec::new(), _profile: profile };
        let target = browser.tell("Target.createTarget", &json!({"url": "about:blank"}));
        let attached = browser.tell("Target.attachToTarget", &json!({"targetId": target["targetId"], "flatten": true}));
        browser.session.push_str(attached["sessionId"].as_str().unwrap());
        for domain in ["Page", "Runtime", "Log", "Network"] {
            browser.tell(&format!("{domain}.enable"), &json!({}));
        }
        Some(browser)
    }

    /// Sends a command and waits for its answer.
    pub(crate) fn tell(&mut self, method: &str, params: &Value) -> Value {
        self.last += 1;
        let mut message = json!({"id": self.last, "method": method, "params": params});
        if !self.session.is_empty() {
            message["sessionId"] = json!(self.session);
        }
        self.to.write_all(format!("{message}\0").as_bytes()).unwrap();
        loop {
            let message = self.next();
            if message["id"] == self.last {
                assert!(message["error"].is_null(), "{method}: {}", message["error"]);
                return message["result"].clone();
            }
        }
    }

    /// Does what opens a page, and waits until it is there.
    fn load(&mut self, doing: impl FnOnce(&mut Self)) {
        let before = self.loads;
        doing(self);
        while self.loads == before {
            self.next();
        }
    }

    fn next(&mut self) -> Value {
        let mut bytes = Vec::new();
        self.from.read_until(0, &mut bytes).unwrap();
        assert_eq!(bytes.pop(), Some(0), "the browser is gone");
        let message: Value = serde_json::from_slice(&bytes).unwrap();
        let method = message["method"].as_str().unwrap_or_default();
        let is_foreign = method == "Network.requestWillBeSent"
            && !message["params"]["request"]["url"].as_str().unwrap_or_default().starts_with("file:")
            && !message["params"]["request"]["url"].as_str().unwrap_or_default().starts_with("data:");
        if is_foreign || matches!(method, "Runtime.consoleAPICalled" | "Runtime.exceptionThrown" | "Log.entryAdded") {
            self.complaints.push(message.to_string());
        }
        self.loads += usize::from(method == "Page.loadEventFired");
        message
    }

    /// Opens a file, to the end of its loading.
    pub(crate) fn open(&mut self, file: &Path) {
        let url = url::Url::from_file_path(file).unwrap();
        self.load(|browser| {
            browser.tell("Page.navigate", &json!({"url": url.as_str()}));
        });
    }

    /// What an expression of JavaScript is.
    pub(crate) fn value(&mut self, expression: &str) -> Value {
        let params = json!({"expression": expression, "returnByValue": true});
        let result = self.tell("Runtime.evaluate", &params);
        assert!(result["exceptionDetails"].is_null(), "{expression}: {}", result["exceptionDetails"]);
        result["result"]["value"].clone()
    }

    /// Presses a key that writes nothing, or a character.
    pub(crate) fn press(&mut self, key: &str) {
        let mut params = json!({"type": "keyDown", "key": key});
        match key {
            "Enter" => params["text"] = json!("\r"),
            one if one.chars().count() == 1 => params["text"] = json!(one),
            _ => {}
        }
        let code = match key {
            "Enter" => 13,
            "Escape" => 27,
            "ArrowUp" => 38,
            "ArrowDown" => 40,
            _ => 0,
        };
        params["windowsVirtualKeyCode"] = json!(code);
        self.tell("Input.dispatchKeyEvent", &params);
        self.tell("Input.dispatchKeyEvent", &json!({"type": "keyUp", "key": key, "windowsVirtualKeyCode": code}));
    }

    pub(crate) fn write(&mut self, text: &str) {
        self.tell("Input.insertText", &json!({"text": text}));
    }

    /// Presses Enter, and waits for the page that opens.
    pub(crate) fn enter(&mut self) {
        self.load(|browser| browser.press("Enter"));
    }

    /// A picture of the page, into the directory that `SKYQL_SCREENSHOTS` names, if it does.
    pub(crate) fn picture(&mut self, name: &str) {
        let Some(dir) = Env::process().get("SKYQL_SCREENSHOTS") else { return };
        let shot = self.tell("Page.captureScreenshot", &json!({"format": "png"}));
        let base64 = shot["data"].as_str().unwrap();
        std::fs::write(Path::new(&dir).join(format!("{name}.png.base64")), base64).unwrap();
    }
}
