//! The program's commands as someone at a terminal uses them: without a server, and against one.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};
use whereof::compute::run_apart;

use crate::harness::{Server, endless_request, small_reviews};

/// Runs the program in a folder; the input is what it reads from.
pub fn whereof(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_whereof"))
        .args(arguments)
        .current_dir(folder)
        .env_remove("WHEREOF_SERVER")
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

/// What it printed, where it ended well.
#[track_caller]
pub fn printed(output: &Output) -> String {
    let [out, err] =
        [&output.stdout, &output.stderr].map(|t| String::from_utf8_lossy(t).to_string());
    assert!(output.status.success(), "{out}{err}");
    out
}

/// Its exit code, and what it said on standard error.
fn ended(output: &Output) -> (i32, String) {
    (output.status.code().unwrap(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn a_model_is_trained_scored_and_judged_without_a_server() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("reviews.csv"), small_reviews()).unwrap();
    let run = |arguments: &[&str]| whereof(folder.path(), arguments);
    let columns = ["train", "reviews.csv", "--text", "text", "--label", "sentiment"];
    let quick = ["--set", "training.epochs=2"];
    let text = printed(&run(&[&columns[..], &quick].concat()));
    assert!(text.contains("2 epochs in ") && text.contains("test: accuracy 0."), "{text}");
    assert!(text.contains(" (reviews)"), "{text}");

    let text = printed(&run(&["score", "reviews", "a sturdy zebrafish", "I love it"]));
    assert!(text.contains("[zebrafish]") && text.contains("I love it"), "{text}");
    let answer: Value =
        serde_json::from_str(&printed(&run(&["score", "reviews", "I love it", "--json"]))).unwrap();
    assert!(answer["results"][0]["raw_confidence"].is_number(), "{answer}");

    // A file may have more columns than the model reads; what is shown is the text.
    let text = printed(&run(&["score", "reviews", "--file", "reviews.csv"]));
    assert!(text.contains("unknown words") && !text.contains('{'), "{text}");

    let text = printed(&run(&["limitations", "reviews", "--runs", "3"]));
    assert!(text.starts_with("# "), "{text}");
    // The second time there is a report.
    let report = printed(&run(&["limitations", "reviews", "--json"]));
    let report: Value = serde_json::from_str(&report).unwrap();
    assert_eq!(report["scope"]["budget"]["runs"], 3.0);

    let text = printed(&run(&["jobs", "--status", "succeeded"]));
    assert!(text.contains("train") && text.contains("diagnose"), "{text}");
    let jobs: Value = serde_json::from_str(&printed(&run(&["jobs", "--json"]))).unwrap();
    let job = jobs["items"][1]["id"].as_str().unwrap();
    let text = printed(&run(&["watch", job]));
    assert!(text.contains(jobs["items"][1]["model"].as_str().unwrap()), "{text}");
}

#[tokio::test]
async fn how_a_command_failed_is_told_by_its_exit_code() {
    let server = Server::start().await;
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("reviews.csv"), small_reviews()).unwrap();
    let base = server.client.base().to_owned();
    let run = async |arguments: &[&str]| {
        let (folder, base) = (folder.path().to_owned(), base.clone());
        let arguments: Vec<String> = arguments.iter().map(|a| (*a).to_owned()).collect();
        let work = move || {
            let mut all: Vec<&str> = arguments.iter().map(String::as_str).collect();
            all.extend(["--server", &base]);
            ended(&whereof(&folder, &all))
        };
        run_apart("command", 1, work).await.unwrap()
    };
    let (code, text) =
        run(&["train", "reviews.csv", "--text", "txt", "--label", "sentiment"]).await;
    assert!(code == 3 && text.contains("task.text"), "{code} {text}");
    let (code, text) = run(&["train", "reviews.csv", "--text", "text"]).await;
    assert!(code == 2 && text.contains("--label"), "{code} {text}");
    let (code, text) = run(&["train", "nowhere.csv", "--label", "x"]).await;
    assert!(code == 1 && text.contains("nowhere.csv"), "{code} {text}");
    let (code, text) = run(&["limitations", "nothing"]).await;
    assert!(code == 3 && text.contains("nothing"), "{code} {text}");
    let (code, _) = run(&["score", "nothing", "a text"]).await;
    assert_eq!(code, 3);

    let answer = server.client.post_as("/v1/datasets", "text/csv", small_reviews()).await.unwrap();
    let request = endless_request(&answer.value());
    let job: Value = server.client.post("/v1/jobs", &request).await.unwrap();
    let id = job["id"].as_str().unwrap();
    let _: Value = server.client.post(&format!("/v1/jobs/{id}/cancel"), &json!({})).await.unwrap();
    let (code, text) = run(&["watch", id]).await;
    assert!(code == 6 && text.contains(id), "{code} {text}");

    // A rate at which nothing can be learnt, from the first step.
    let line: String = (0..40).map(|x| format!("{x},{}\n", 3 * x)).collect();
    std::fs::write(folder.path().join("line.csv"), format!("x,y\n{line}")).unwrap();
    let fast = ["--set", "optimizer.type=sgd", "--set", "optimizer.learning_rate=1000"];
    let (code, text) = run(&[&["train", "line.csv", "--target", "y"][..], &fast].concat()).await;
    assert!(
        code == 5 && text.contains("failed") && text.contains("learning_rate"),
        "{code} {text}"
    );

    let gone = ["jobs", "--server", "http://127.0.0.1:9"];
    let folder = folder.path().to_owned();
    let output = run_apart("command", 1, move || whereof(&folder, &gone)).await.unwrap();
    assert_eq!(ended(&output).0, 4);
}

#[test]
fn a_command_ends_quietly_when_nobody_reads_on() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_whereof"))
        .arg("openapi")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // The document is longer than a pipe holds, so that it is still being written.
    drop(child.stdout.take());
    let ended = child.wait_with_output().unwrap();
    assert_eq!(
        (ended.status.code(), String::from_utf8_lossy(&ended.stderr).as_ref()),
        (Some(0), "")
    );
}

#[test]
fn a_shell_can_complete_commands() {
    let folder = tempfile::tempdir().unwrap();
    let script = printed(&whereof(folder.path(), &["completions", "bash"]));
    assert!(script.contains("limitations"), "{script}");
    let (code, text) = ended(&whereof(folder.path(), &["completions", "abacus"]));
    assert!(code == 2 && text.contains("zsh"), "{code} {text}");
}
