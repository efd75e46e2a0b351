//! Asking an app whether it is there: any HTTP answer of its published port will do.

use std::time::{Duration, Instant};

use wharf_net::{
    address::Address,
    client::{Client, Method, Request, Settings},
};
use wharf_spec::{codes, status::Status, workload::WorkloadId};

use super::{died, has_died, last_lines, listening};
use crate::{
    context::Context,
    error::{Error, Result},
    service,
};

/// How long one answer may take. A page that takes longer is asked for again.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long to wait between two tries.
const PAUSE: Duration = Duration::from_millis(100);

/// Says whether the first published port answers; `None` where none is published.
pub(super) async fn now(context: &Context, status: &Status) -> Option<bool> {
    let client = Client::new(&Settings::default()).ok()?;
    let address = address(context, status)?;
    Some(answers(&client, address, PATIENCE).await)
}

/// Waits until the first published port answers.
pub(super) async fn wait(context: &Context, id: &WorkloadId, patience: Duration) -> Result<()> {
    let client = Client::new(&Settings::default());
    let client =
        client.map_err(|error| Error::new(codes::BUG, "there is no HTTP client").because(error))?;
    let end = Instant::now() + patience;
    loop {
        let status = context.engine.status(id).await?;
        if has_died(&status) {
            let lines = last_lines(context, id).await;
            return Err(died(&status, &lines)
                .hint("mend what the lines show, and run the same `wharf up` again"));
        }
        let left = end.saturating_duration_since(Instant::now());
        if let Some(address) = address(context, &status)
            && answers(&client, address, left.min(PATIENCE)).await
        {
            return Ok(());
        }
        if left.is_zero() {
            return Err(silent(context, &status, patience).await);
        }
        tokio::time::sleep(PAUSE.min(left)).await;
    }
}

fn address(context: &Context, status: &Status) -> Option<Address> {
    let endpoint = status.endpoints.first()?;
    service::url(context.engine.about(), endpoint).parse().ok()
}

async fn answers(client: &Client, address: Address, patience: Duration) -> bool {
    let asking = client.send(Request::new(Method::Get, address));
    matches!(tokio::time::timeout(patience, asking).await, Ok(Ok(_)))
}

/// Returns the error of an app that runs and does not answer.
async fn silent(context: &Context, status: &Status, patience: Duration) -> Error {
    let name = &status.id.name;
    let secs = patience.as_secs();
    let Some(endpoint) = status.endpoints.first() else {
        return Error::new(codes::NOT_HEALTHY, format!("the port of `{name}` is not published"));
    };
    let port = endpoint.container_port;
    let action = format!("`{name}` did not answer on its port {port} within {secs} s");
    let mut error =
        Error::new(codes::NOT_HEALTHY, action).with_excerpt(last_lines(context, &status.id).await);
    if let Some(found) = listening::of(context, &status.id).await {
        error = error.because(listening::shown(&found));
        let other = found.iter().find(|socket| !socket.is_loopback && socket.port != port);
        if let Some(other) = other {
            error = error.hint(format!("publish that port: `-p {}:{}`", other.port, other.port));
        }
    }
    let about = context.engine.about();
    if !about.is_local && endpoint.address.is_loopback() {
        error = error.hint(format!(
            "the port is published on {} of the engine's machine only: `-p 0.0.0.0:{}:{port}`",
            endpoint.address, endpoint.host_port
        ));
    }
    error
        .hint(format!(
            "inside a container an app listens on 0.0.0.0, not on 127.0.0.1; on another port than {port}: `-p HOST:CONTAINER`"
        ))
        .hint("give it more time with `--wait 5m` (`wharf wait`: `--timeout 5m`)")
}
