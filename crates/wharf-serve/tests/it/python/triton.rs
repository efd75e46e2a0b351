//! The protocol's own Python client against models of both kinds.

use std::process::Command;

use axum::Router;
use tokio::{net::TcpListener, task::JoinSet};
use wharf_serve::{application, runtime::Loaded};

use super::{Running, argument, data_type, module, python, settings, typed};
use crate::support::{Server, data};

const CLIENT: &str = include_str!("triton_client.py");

/// Runs the client's checks of this name against a server.
async fn check(name: &str, router: Router) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let mut server = JoinSet::new();
    server.spawn(async move { axum::serve(listener, router).await.unwrap() });
    let mut client = Command::new(python());
    client.args(["-c", CLIENT, name, &address]);
    let output = tokio::task::spawn_blocking(move || client.output()).await.unwrap().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test]
#[ignore = "needs python"]
async fn tritonclient_asks_a_native_model() {
    check("iris", Server::of_model(&data().join("trees/xgb_iris.json")).router()).await;
}

#[tokio::test]
#[ignore = "needs python"]
async fn tritonclient_asks_a_python_model() {
    let source = "
import numpy

def double(data):
    return data * 2

def describe(table):
    return [f'{city} {age} {ok}' for city, age, ok in zip(table['city'], table['age'], table['ok'])]

def fails(data):
    raise KeyError('no')
";
    let array = data_type(r#"{"type": "ndarray", "shape": [null, 2], "dtype": "float32"}"#);
    let (folder, card) = module(source, vec![typed("double", array.clone(), array.clone())]);
    let running = Running::start(folder, card, settings()).await;
    check("double", application(running.card.clone(), Loaded::Worker(running.worker.clone())))
        .await;

    let table = data_type(
        r#"{"type": "dataframe", "columns": ["city", "age", "ok"], "dtypes": ["object", "int64", "bool"]}"#,
    );
    let texts = data_type(r#"{"type": "array", "dtype": {"type": "primitive", "ptype": "str"}}"#);
    let mut describe = typed("describe", table.clone(), texts);
    describe.args = vec![argument("table", table)];
    let (folder, card) = module(source, vec![describe]);
    let running = Running::start(folder, card, settings()).await;
    check("table", application(running.card.clone(), Loaded::Worker(running.worker.clone()))).await;

    let (folder, card) = module(source, vec![typed("fails", array.clone(), array)]);
    let running = Running::start(folder, card, settings()).await;
    check("fails", application(running.card.clone(), Loaded::Worker(running.worker.clone()))).await;
}
