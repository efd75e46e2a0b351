//! `wharf predict` of a table: by a model at a path, served for as long as it takes.

use std::{
    fmt::Write as _,
    fs,
    io::{BufRead as _, BufReader, Write as _},
    process::{Command, Stdio},
};

use serde_json::{Value, json};

use crate::{
    hermetic::files,
    support::{Outcome, User},
};

/// A flower of each kind, with the columns in an order of their own and one that the model does not take.
const FLOWERS: [(&str, &str); 3] = [
    ("0.2,5.1,3.5,1.4,7", "setosa"),
    ("1.4,7.0,3.2,4.7,8", "versicolor"),
    ("2.5,6.3,3.3,6.0,9", "virginica"),
];

const HEADER: &str = "petal_width,sepal_length,sepal_width,petal_length,number";

/// A user with the iris model and a table of that many flowers.
fn with_flowers(count: usize) -> User {
    let user = User::with_engine(None);
    user.example("iris");
    let mut table = format!("{HEADER}\n");
    for (row, _) in FLOWERS.iter().cycle().take(count) {
        writeln!(table, "{row}").unwrap();
    }
    fs::write(user.home.path().join("rows.csv"), table).unwrap();
    user
}

fn read(user: &User, name: &str) -> String {
    fs::read_to_string(user.home.path().join(name)).unwrap()
}

/// Fails unless the table was refused so, and nothing was written.
#[track_caller]
fn misfit(user: &User, outcome: Outcome, expect: &str) {
    let outcome = outcome.expect(2);
    assert!(outcome.err.contains("error[W0512]"), "{}", outcome.err);
    assert!(outcome.err.contains(expect), "{}", outcome.err);
    assert!(!user.home.path().join("out.csv").exists());
    assert!(!files(user.home.path()).iter().any(|path| path.ends_with(".wharf-new-")));
}

#[tokio::test]
async fn every_row_has_its_answer_in_order() {
    let user = with_flowers(2_500);
    let outcome = user.run(&["predict", "./iris", "rows.csv", "-o", "out.csv"]).await.expect(0);
    assert!(outcome.err.contains("note: the model does not take: number"), "{}", outcome.err);
    assert!(outcome.err.contains("2500 rows → out.csv"), "{}", outcome.err);
    assert_eq!(outcome.out, "");
    let kinds: Vec<&str> = FLOWERS.iter().map(|(_, kind)| *kind).cycle().take(2_500).collect();
    assert_eq!(read(&user, "out.csv"), format!("predict\n{}\n", kinds.join("\n")));
}

#[tokio::test]
async fn what_was_done_is_one_document() {
    let user = with_flowers(2_500);
    let args = ["predict", "./iris", "rows.csv", "-o", "out.jsonl", "--method", "predict_proba"];
    let outcome = user.run(&[&args[..], &["--json"]].concat()).await.expect(0);
    let mut document = outcome.json();
    document.as_object_mut().unwrap().remove("took_ms").unwrap();
    let expect = json!({
        "schema": "wharf.predict/v1", "output": "out.jsonl", "rows": 2500, "requests": 3, "retries": 0,
    });
    assert_eq!(document, expect);
    let lines: Vec<Value> =
        read(&user, "out.jsonl").lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2_500);
    let best = |line: &Value| {
        let scores = line["predict_proba"].as_array().unwrap().iter().map(|s| s.as_f64().unwrap());
        scores.enumerate().max_by(|a, b| a.1.total_cmp(&b.1)).unwrap().0
    };
    assert_eq!(lines[..3].iter().map(best).collect::<Vec<_>>(), [0, 1, 2]);
}

#[tokio::test]
async fn a_table_gives_the_same_numbers_as_a_call() {
    let user = with_flowers(1);
    let args = ["predict", "./iris", "--method", "predict_proba"];
    let call = user.run(&[&args[..], &["-i", "data=[[5.1, 3.5, 1.4, 0.2]]"]].concat()).await;
    let table = user.run(&[&args[..], &["rows.csv"]].concat()).await.expect(0);
    let (header, row) = table.out.split_once('\n').unwrap();
    assert_eq!(header, "predict_proba_0,predict_proba_1,predict_proba_2");
    assert_eq!(call.expect(0).out.trim(), format!("[[{}]]", row.trim()));
}

#[tokio::test]
async fn a_table_that_does_not_fit_is_refused_with_its_place() {
    let user = with_flowers(1_500);
    let run = async |table: &str| {
        fs::write(user.home.path().join("rows.csv"), table).unwrap();
        user.run(&["predict", "./iris", "rows.csv", "-o", "out.csv"]).await
    };
    let good = read(&user, "rows.csv");
    let lacks = good.replace("sepal_width", "width");
    misfit(&user, run(&lacks).await, "rows.csv:1:1: the header lacks `sepal_width`");
    // After a batch that was answered already.
    let wrong = format!("{good}1,2,x,4,5\n");
    misfit(&user, run(&wrong).await, "rows.csv:1502:3: `sepal_width` is `x`");
    misfit(&user, run(&format!("{good}1,2\n")).await, "rows.csv:1502:3: the row has 2 values");
    fs::write(user.home.path().join("rows.parquet"), "PAR1").unwrap();
    let parquet = user.run(&["predict", "./iris", "rows.parquet", "-o", "out.csv"]).await;
    misfit(&user, parquet, "hint: pass it on as CSV");
    let args = ["predict", "./iris", "rows.csv", "--method", "transform"];
    misfit(&user, user.run(&args).await, "no method `transform`");
}

#[tokio::test]
async fn a_table_without_rows_has_answers_without_rows() {
    let user = with_flowers(0);
    let args = ["predict", "./iris", "rows.csv", "--method", "predict_proba"];
    let outcome = user.run(&args).await.expect(0);
    assert_eq!(outcome.out, "predict_proba_0,predict_proba_1,predict_proba_2\n");
}

#[tokio::test]
async fn a_name_is_a_service_and_its_folder_is_offered() {
    let (user, _) = User::of_fake();
    user.example("iris");
    let outcome = user.run(&["predict", "iris", "-i", "data=1"]).await.expect(3);
    assert!(outcome.err.contains("hint: the model in that folder is `./iris`"), "{}", outcome.err);
}

/// Starts `wharf predict` on the iris model with a table on stdin.
fn with_stdin(user: &User) -> std::process::Child {
    Command::new(env!("CARGO_BIN_EXE_wharf"))
        .args(["predict", "./iris", "-"])
        .current_dir(user.home.path())
        .env("HOME", user.home.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

#[test]
fn a_table_may_come_and_go_through_pipes() {
    let user = with_flowers(3);
    let mut process = with_stdin(&user);
    process.stdin.take().unwrap().write_all(read(&user, "rows.csv").as_bytes()).unwrap();
    let outcome = process.wait_with_output().unwrap();
    assert!(outcome.status.success());
    assert_eq!(
        String::from_utf8(outcome.stdout).unwrap(),
        "predict\nsetosa\nversicolor\nvirginica\n"
    );
}

#[test]
fn nothing_is_predicted_that_nobody_reads() {
    let user = with_flowers(0);
    let mut process = with_stdin(&user);
    let mut stdin = process.stdin.take().unwrap();
    // Without an end: only whoever reads can end it.
    let writing = std::thread::spawn(move || {
        let rows = format!("{}\n", FLOWERS[0].0).repeat(1_000);
        let mut written = writeln!(stdin, "{HEADER}");
        while written.is_ok() {
            written = stdin.write_all(rows.as_bytes());
        }
    });
    let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
    assert_eq!(lines.next().unwrap().unwrap(), "predict");
    drop(lines);
    assert!(process.wait().unwrap().success());
    writing.join().unwrap();
}

#[tokio::test]
#[ignore = "needs python"]
async fn a_function_is_called_for_each_row() {
    let user = User::with_engine(None);
    user.example("callable");
    fs::write(user.home.path().join("rows.csv"), "id,text\n1,\"a b a\"\n2,\n").unwrap();
    let answers = user.home.path().join("out.jsonl");
    user.run(&["predict", "./callable", "rows.csv", "-o", "out.jsonl"]).await.expect(0);
    let lines = fs::read_to_string(answers).unwrap();
    let first: Value = serde_json::from_str(lines.lines().next().unwrap()).unwrap();
    let call = user.run(&["predict", "./callable", "-i", "text=a b a"]).await.expect(0);
    assert_eq!(first["predict"], call.json());
    assert_eq!(lines.lines().count(), 2);
}
