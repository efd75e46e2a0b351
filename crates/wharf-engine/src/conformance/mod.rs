//! The properties that every engine has, each a sentence. An engine's test module is a line or two:
//!
//! ```text
//! engine_conformance!(fake, subject());
//! engine_conformance!(#[ignore = "needs engine"] docker, docker());
//! container_conformance!(#[ignore = "needs engine"] docker_containers, docker());
//! ```
//!
//! - [`life`]: what any engine does; [`containers`]: what only real processes show.

pub mod life;

pub mod containers;

use std::{fmt::Write as _, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures_util::{FutureExt, StreamExt};
use wharf_spec::{
    name::ProjectName,
    workload::{Command, Workload, WorkloadId, WorkloadKind},
};

use crate::{Engine, LogLine, LogOptions};

/// Most that a property takes, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// An engine to be tried.
#[derive(Debug, Clone)]
pub struct Subject {
    pub engine: Arc<dyn Engine>,
    /// A second connection to the same engine, which knows nothing of the first.
    pub again: Arc<dyn Engine>,
    /// An image with a shell and `echo`, `seq`, `sleep`; for [`containers`] also with most of BusyBox.
    pub image: String,
}

/// Where a property plays: an engine, and a project of its own.
#[derive(Debug)]
pub struct Stage {
    pub engine: Arc<dyn Engine>,
    pub again: Arc<dyn Engine>,
    pub image: String,
    pub project: ProjectName,
    /// A second project, for what must stay apart.
    pub neighbour: ProjectName,
}

/// Runs a property in projects of its own, which are deleted whatever happens.
///
/// # Panics
/// When the property does not hold, or takes longer than two minutes.
pub async fn run(name: &str, subject: Subject, property: impl AsyncFnOnce(&Stage)) {
    let Subject { engine, again, image } = subject;
    let project = |suffix: &str| {
        let hash = blake3::hash(format!("{name} {}", engine.about().address).as_bytes());
        let text = format!("t{}-{}-{suffix}", std::process::id(), &hash.to_hex()[..12]);
        text.parse().expect("digits, hex digits and `-` make a name")
    };
    let (project, neighbour) = (project("a"), project("b"));
    let stage = Stage { engine, again, image, project, neighbour };
    let played = tokio::time::timeout(PATIENCE, property(&stage));
    let result = AssertUnwindSafe(played).catch_unwind().await;
    for project in [&stage.project, &stage.neighbour] {
        let deleted = stage.engine.delete_project(project).await;
        deleted.unwrap_or_else(|error| panic!("{project} cannot be deleted: {error:?}"));
    }
    match result {
        Ok(in_time) => in_time.expect("the property holds within two minutes"),
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

impl Stage {
    /// Returns the id of a workload named `job`.
    pub fn id(&self, generation: u64) -> WorkloadId {
        self.named("job", generation)
    }

    /// Returns the id of a workload.
    pub fn named(&self, name: &str, generation: u64) -> WorkloadId {
        let name = name.parse().expect("the properties use names that are allowed");
        WorkloadId { project: self.project.clone(), name, generation }
    }

    /// Returns a job that runs a script.
    pub fn job(&self, script: &str) -> Workload {
        self.workload(WorkloadKind::Job, self.id(1), script)
    }

    /// Returns a service that runs a script, which should not end.
    pub fn service(&self, name: &str, script: &str) -> Workload {
        self.workload(WorkloadKind::Service, self.named(name, 1), script)
    }

    fn workload(&self, kind: WorkloadKind, id: WorkloadId, script: &str) -> Workload {
        let words = ["sh", "-c", script].map(str::to_owned).to_vec();
        Workload { command: Command::Args(words), ..Workload::new(id, kind, self.image.clone()) }
    }

    /// Runs a job and returns its exit code and everything it wrote.
    pub async fn outcome(&self, job: &Workload) -> (i64, String) {
        self.engine.apply(job).await.expect("the job starts");
        let exit = self.engine.wait(&job.id).await.expect("the job ends");
        let lines = self.log(&job.id, LogOptions::default()).await;
        let mut text = String::new();
        for line in lines {
            writeln!(text, "{}", line.text).expect("a text takes everything");
        }
        (exit.code, text)
    }

    /// Returns the lines of a log.
    pub async fn log(&self, id: &WorkloadId, options: LogOptions) -> Vec<LogLine> {
        let lines = self.engine.logs(id, options);
        lines.map(|line| line.expect("the log can be read")).collect().await
    }

    /// Returns the ids of what the project runs.
    pub async fn ids(&self) -> Vec<WorkloadId> {
        let listed = self.engine.list(Some(&self.project)).await.expect("the engine lists");
        listed.into_iter().map(|status| status.id).collect()
    }
}

/// Writes one test for each property of any engine. `$subject` is a future of a [`Subject`].
///
/// Attributes before the name, such as `#[ignore = "needs engine"]`, go to each test.
#[macro_export]
macro_rules! engine_conformance {
    ($(#[$attr:meta])* $module:ident, $subject:expr) => {
        $crate::conformance_tests!([$(#[$attr])*] $module, $subject, life:
            applied_twice_changes_nothing,
            another_spec_of_the_same_generation_is_a_conflict,
            a_job_tells_its_exit_code,
            what_is_missing_is_an_error_of_ours,
            an_unsupported_field_is_refused_by_name,
            generations_live_side_by_side,
            deleting_a_project_leaves_nothing,
            deleting_what_is_not_there_is_fine,
            stopping_keeps_the_log,
            a_stopped_service_starts_again,
            a_log_is_complete_and_in_order,
            a_log_ends_with_its_last_lines,
            a_followed_log_ends_with_the_process,
            a_taken_port_is_told_and_nothing_is_left,
            a_chosen_port_is_free,
            labels_come_back_and_need_no_record,
            a_program_inside_tells_its_code,
            what_runs_tells_what_it_uses,
            an_image_is_saved_as_it_was_loaded,
        );
    };
}

/// Writes one test for each property that only real processes show; see [`engine_conformance`].
#[macro_export]
macro_rules! container_conformance {
    ($(#[$attr:meta])* $module:ident, $subject:expr) => {
        $crate::conformance_tests!([$(#[$attr])*] $module, $subject, containers:
            a_killed_job_tells_why,
            stopping_gives_the_grace_and_no_more,
            both_streams_are_told_apart,
            a_published_port_is_reached,
            a_port_of_another_process_is_told,
            a_missing_command_is_told_and_nothing_is_left,
            a_read_only_root_cannot_be_written,
            capabilities_are_as_asked,
            variables_come_through_as_they_are,
            limits_hold,
            who_computes_is_told_from_who_sleeps,
            a_crashing_service_is_seen_as_such,
            projects_do_not_know_each_other,
            many_first_workloads_make_one_network,
            an_image_cannot_bring_our_labels,
            what_a_job_made_is_kept_as_an_image,
            an_image_is_built_and_a_broken_build_says_why,
            the_engines_socket_is_never_mounted,
        );
    };
}

/// Writes the tests; see [`engine_conformance`].
#[doc(hidden)]
#[macro_export]
macro_rules! conformance_tests {
    ($attrs:tt $module:ident, $subject:expr, $area:ident: $($property:ident,)+) => {
        mod $module {
            use super::*;
            $($crate::conformance_tests!(@one $attrs $subject, $area, $property);)+
        }
    };
    (@one [$($attrs:tt)*] $subject:expr, $area:ident, $property:ident) => {
        #[tokio::test]
        $($attrs)*
        async fn $property() {
            let property = $crate::conformance::$area::$property;
            $crate::conformance::run(stringify!($property), $subject.await, property).await;
        }
    };
}
