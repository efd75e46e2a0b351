//! What happens to a worker and to its callers when the model misbehaves.

use std::{
    fs,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use rustix::process::{Pid, test_kill_process};
use serde_json::json;
use wharf_serve::runtime::{
    Bundle, CallError, Payload, Runtime, RuntimeSettings, WorkerState, python::Python,
};

use super::{Running, method, module, settings};

/// A model that does everything wrong.
const UNRULY: &str = r#"
import multiprocessing, os, subprocess, sys, time

print("loaded")

def echo(data):
    return data

def pid(data):
    time.sleep(data or 0)
    return os.getpid()

def fail(data):
    raise ValueError("no " + str(data))

def leave(data):
    sys.exit(3)

def exit(data):
    time.sleep(data)
    os._exit(1)

def crash(data):
    import ctypes
    ctypes.string_at(0)

def sleep(data):
    time.sleep(data)
    return data

def spin(data):
    while True:
        pass

def flood(data):
    for number in range(data):
        print("a line of a flood", number)
    os.write(1, b"\xff\xfe without end")
    return data

def read_stdin(data):
    return sys.stdin.read()

def fork(data):
    child = os.fork()
    if child == 0:
        return "the child"
    os.waitpid(child, 0)
    return "the parent"

def start_process(data):
    return subprocess.Popen(["sleep", "1000"]).pid

def start_forked(data):
    process = multiprocessing.get_context("fork").Process(target=time.sleep, args=(1000,))
    process.start()
    os._exit(1)

def corrupt(data):
    for descriptor in range(3, 30):
        try:
            os.write(descriptor, b"\xff" * 64)
        except OSError:
            pass

def deep(data):
    return deep(data)
"#;

async fn unruly(settings: RuntimeSettings) -> Running {
    let names = [
        "echo",
        "pid",
        "fail",
        "leave",
        "exit",
        "crash",
        "sleep",
        "spin",
        "flood",
        "read_stdin",
        "fork",
        "start_process",
        "start_forked",
        "corrupt",
        "deep",
    ];
    let (folder, card) = module(UNRULY, names.map(method).to_vec());
    Running::start(folder, card, settings).await
}

/// The model answers again, in the same process or the next one.
async fn check_recovers(running: &Running) {
    assert_eq!(running.settled().await, WorkerState::Ready);
    assert_eq!(running.json("echo", json!("still here")).await, json!("still here"));
}

fn raised(class: &str, text: &str) -> CallError {
    CallError::Raised { class: class.to_owned(), text: text.to_owned() }
}

fn is_alive(pid: i64) -> bool {
    let pid = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    // What was killed may be a zombie for a moment, until whoever inherits it has seen it.
    let status = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero()));
    test_kill_process(pid).is_ok() && !status.unwrap_or_default().contains(") Z ")
}

async fn check_dies(pid: i64) {
    let start = Instant::now();
    while is_alive(pid) {
        assert!(start.elapsed() < Duration::from_secs(10), "process {pid} lives on");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
#[ignore = "needs python"]
async fn an_exception_is_told_and_the_worker_lives_on() {
    let running = unruly(settings()).await;
    let pid = running.json("pid", json!(null)).await;
    assert_eq!(running.error("fail", json!("way")).await, raised("ValueError", "no way"));
    assert_eq!(running.error("leave", json!(0)).await, raised("SystemExit", "3"));
    let CallError::Raised { class, .. } = running.error("deep", json!(0)).await else {
        panic!("endless recursion is an exception")
    };
    assert_eq!(class, "RecursionError");
    assert_eq!(running.json("pid", json!(null)).await, pid);
}

#[tokio::test]
#[ignore = "needs python"]
async fn a_worker_that_dies_is_told_and_started_again() {
    let running = unruly(settings()).await;
    assert_eq!(running.error("exit", json!(0)).await, CallError::Died);
    check_recovers(&running).await;
    assert_eq!(running.error("crash", json!(0)).await, CallError::Died);
    check_recovers(&running).await;
}

#[tokio::test]
#[ignore = "needs python"]
async fn those_that_wait_are_answered_when_another_call_kills_the_worker() {
    let running = unruly(settings()).await;
    let (guilty, first, second) = tokio::join!(
        running.call("exit", vec![Some(Payload::Json(json!(0.5)))]),
        running.call("echo", vec![Some(Payload::Json(json!("first")))]),
        running.call("echo", vec![Some(Payload::Json(json!("second")))]),
    );
    assert_eq!(guilty, Err(CallError::Died));
    assert_eq!(first, Ok(Payload::Json(json!("first"))));
    assert_eq!(second, Ok(Payload::Json(json!("second"))));
}

#[tokio::test]
#[ignore = "needs python"]
async fn a_call_that_takes_too_long_ends_with_its_worker() {
    let running = unruly(RuntimeSettings { call_secs: 1, ..settings() }).await;
    let pid = running.json("pid", json!(null)).await.as_i64().unwrap();
    for method in ["spin", "sleep"] {
        let start = Instant::now();
        assert_eq!(running.error(method, json!(1000)).await, CallError::TimedOut(1));
        assert!(start.elapsed() < Duration::from_secs(5), "it took {:?}", start.elapsed());
        check_recovers(&running).await;
    }
    check_dies(pid).await;
}

#[tokio::test]
#[ignore = "needs python"]
async fn what_the_model_prints_is_not_in_the_way() {
    let running = unruly(settings()).await;
    assert_eq!(running.json("flood", json!(3_000)).await, json!(3_000));
    assert_eq!(running.json("read_stdin", json!(null)).await, json!(""));
    check_recovers(&running).await;
}

#[tokio::test]
#[ignore = "needs python"]
async fn a_forked_child_does_not_answer() {
    let running = unruly(settings()).await;
    assert_eq!(running.json("fork", json!(null)).await, json!("the parent"));
    check_recovers(&running).await;
}

#[tokio::test]
#[ignore = "needs python"]
async fn a_death_is_noticed_while_a_forked_child_lives_and_the_child_is_killed() {
    let running = unruly(settings()).await;
    let child = running.json("start_process", json!(null)).await.as_i64().unwrap();
    assert_eq!(running.error("start_forked", json!(null)).await, CallError::Died);
    check_dies(child).await;
    check_recovers(&running).await;
}

#[tokio::test]
#[ignore = "needs python"]
async fn nonsense_on_the_socket_is_a_fault_and_not_an_answer() {
    let running = unruly(settings()).await;
    let error = running.error("corrupt", json!(null)).await;
    assert!(matches!(error, CallError::Internal(_)), "{error:?}");
    check_recovers(&running).await;
}

#[tokio::test]
#[ignore = "needs python"]
async fn a_caller_that_leaves_does_not_stop_the_others() {
    let running = unruly(settings()).await;
    let sleep = running.call("sleep", vec![Some(Payload::Json(json!(0.5)))]);
    let gone = tokio::time::timeout(Duration::from_millis(100), sleep).await;
    assert!(gone.is_err(), "the call was to run longer than its caller waits");
    check_recovers(&running).await;
}

#[tokio::test]
#[ignore = "needs python"]
async fn a_full_queue_refuses_at_once() {
    let running = unruly(settings()).await;
    let calls = (0..100).map(|_| running.call("sleep", vec![Some(Payload::Json(json!(0.03)))]));
    let answers = futures_util::future::join_all(calls).await;
    let refused = answers.iter().filter(
        |answer| matches!(answer, Err(CallError::Busy(text)) if text.contains("waiting already")),
    );
    let answered = answers.iter().filter(|answer| answer.is_ok());
    assert_eq!((answered.count() + refused.count(), answers.len()), (100, 100));
    assert!(answers.iter().any(Result::is_err), "64 may wait for one worker");
}

#[tokio::test]
#[ignore = "needs python"]
async fn two_workers_answer_at_the_same_time() {
    let running = unruly(RuntimeSettings { workers: Some(2), ..settings() }).await;
    let call = || running.json("pid", json!(0.2));
    let start = Instant::now();
    // The second one may start later than the first.
    loop {
        let (first, second) = tokio::join!(call(), call());
        if first != second {
            break;
        }
        assert!(start.elapsed() < Duration::from_secs(30), "only {first} answers");
    }
}

#[tokio::test]
#[ignore = "needs python"]
async fn shutdown_ends_the_worker_and_everything_it_started() {
    let running = unruly(settings()).await;
    let worker = running.json("pid", json!(null)).await.as_i64().unwrap();
    let child = running.json("start_process", json!(null)).await.as_i64().unwrap();
    let start = Instant::now();
    running.worker.shutdown().await;
    assert!(start.elapsed() < Duration::from_secs(5), "an idle worker leaves when it is asked to");
    check_dies(worker).await;
    check_dies(child).await;
    let late = running.error("echo", json!(1)).await;
    assert_eq!(late, CallError::Unavailable("the server is being stopped".to_owned()));
}

#[tokio::test]
#[ignore = "needs python"]
async fn shutdown_does_not_wait_for_a_hanging_call() {
    let running = unruly(settings()).await;
    let start = Instant::now();
    let (answer, ()) = tokio::join!(running.error("spin", json!(0)), async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        running.worker.shutdown().await;
    });
    assert_eq!(answer, CallError::Unavailable("the server is being stopped".to_owned()));
    assert!(start.elapsed() < Duration::from_secs(8), "it took {:?}", start.elapsed());
}

#[tokio::test]
#[ignore = "needs python"]
async fn a_dropped_model_leaves_no_process() {
    let running = unruly(settings()).await;
    let worker = running.json("pid", json!(null)).await.as_i64().unwrap();
    drop(running);
    assert!(!is_alive(worker), "the drop waits for it");
}

/// Starts a model that cannot be started, and returns why.
async fn failure_of(source: &str, settings: RuntimeSettings) -> String {
    let (folder, mut card) = module(source, vec![method("predict")]);
    let needs = card.python.as_mut().unwrap();
    needs.requirements = vec!["scikit-learn==1.9.1".to_owned(), "not-there==1.0".to_owned()];
    let running = Running::launch(folder, card, settings);
    match running.settled().await {
        WorkerState::Failed(reason) => {
            let refused = running.error("predict", json!(1)).await;
            let first = reason.lines().next().unwrap();
            let text = format!("the model could not be started: {first}");
            assert_eq!(refused, CallError::Unavailable(text));
            reason
        }
        state => panic!("the model is {state:?}"),
    }
}

#[tokio::test]
#[ignore = "needs python"]
async fn a_missing_module_is_named_with_its_requirement() {
    let reason = failure_of("print('hello')\nimport not_there.part", settings()).await;
    let (first, log) = reason.split_once("\nthe last lines of its log:\n").unwrap();
    assert_eq!(
        first,
        "loading the model raised ModuleNotFoundError: No module named 'not_there'; \
         the model requires `not-there==1.0`, which this Python does not have"
    );
    assert!(log.starts_with("hello\nTraceback"), "{log}");
    assert!(log.contains("code/predict.py\", line 2"), "{log}");
}

#[tokio::test]
#[ignore = "needs python"]
async fn a_model_that_raises_while_it_loads_is_told() {
    let reason = failure_of("raise RuntimeError('broken')", settings()).await;
    assert!(reason.starts_with("loading the model raised RuntimeError: broken\n"), "{reason}");
}

#[tokio::test]
#[ignore = "needs python"]
async fn a_process_that_ends_while_it_loads_is_told_with_its_status() {
    let reason = failure_of("import os; os._exit(9)", settings()).await;
    assert_eq!(reason, "the worker ended while it loaded the model (exit status: 9)");
}

#[tokio::test]
#[ignore = "needs python"]
async fn loading_has_a_limit() {
    let limited = RuntimeSettings { load_secs: 1, ..settings() };
    let reason = failure_of("import time; time.sleep(1000)", limited).await;
    assert_eq!(reason, "loading the model took longer than 1 s");
}

#[test]
fn a_card_that_does_not_say_how_to_load_is_refused() {
    let (folder, mut card) = module("", vec![method("predict")]);
    card.python = None;
    let bundle = Bundle { card: Arc::new(card), folder: folder.path().to_owned() };
    let error = Python.load(&bundle, &settings()).unwrap_err().to_string();
    assert_eq!(error, "could not load the model: its card does not say how Python loads it");
}

#[tokio::test]
async fn a_missing_interpreter_is_told_at_once() {
    let nowhere = RuntimeSettings { python: Path::new("/nowhere/python").to_owned(), ..settings() };
    let start = Instant::now();
    let reason = failure_of("", nowhere).await;
    assert!(start.elapsed() < Duration::from_millis(1400), "it took {:?}", start.elapsed());
    assert!(reason.starts_with("`/nowhere/python` could not be started: No such file"), "{reason}");
}

#[tokio::test]
#[ignore = "needs python"]
async fn an_example_that_raises_keeps_the_model_from_being_ready() {
    let mut predict = method("predict");
    predict.examples = vec![json!({"data": 0}).as_object().unwrap().clone()];
    let (folder, card) = module("def predict(data): return 1 / data", vec![predict]);
    let running = Running::launch(folder, card, settings());
    let WorkerState::Failed(reason) = running.settled().await else { panic!("it cannot be ready") };
    let expect = "the example of `predict` raised ZeroDivisionError: division by zero\n";
    assert!(reason.starts_with(expect), "{reason}");
}
