//! The table of error codes: code → kind (exit code, HTTP status) → page.
//!
//! Blocks: 01 usage and files, 02 engine, 03 registry and images, 04 models and builds, 05 services and
//! deployments, 06 workflows and artifacts, 07 server and access, 08 disk and state, 09 our own faults.
//! A number is never used again for something else.

use crate::error::{Code, Kind};

/// What `wharf explain CODE` shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    pub code: Code,
    pub kind: Kind,
    /// One line: what it means.
    pub title: &'static str,
    /// Usual causes.
    pub causes: &'static str,
    /// What to do, with commands in backticks.
    pub remedy: &'static str,
}

/// Returns the page of a code.
pub fn page(code: Code) -> Option<&'static Page> {
    PAGES.iter().find(|page| page.code == code)
}

macro_rules! codes {
    ($($number:literal $name:ident $kind:ident, $title:literal, $causes:literal, $remedy:literal;)+) => {
        $(#[doc = $title] pub const $name: Code = Code($number);)+

        /// Every code with its page, in order.
        pub const PAGES: &[Page] = &[
            $(Page { code: $name, kind: Kind::$kind, title: $title, causes: $causes, remedy: $remedy }),+
        ];
    };
}

codes! {
    101 FLAGS Usage, "the command line was not understood",
        "A misspelt flag or command, a missing argument, or a value that cannot be read.",
        "Look at `wharf COMMAND --help`; the message names the part that was wrong.";
    102 FILE_SYNTAX Usage, "a file is not valid YAML",
        "An indentation slip, a tab, an open quote or bracket; or a file over the limits that keep hostile files out.",
        "Mend the line that the message shows.";
    103 FILE_VALUE Usage, "a value in a file is wrong",
        "Text where a number belongs, a missing field, or a value outside its range.",
        "Mend the line that the message shows.";
    104 FILE_KEY Usage, "a file has a key that wharf does not know",
        "A misspelt key, or one that belongs elsewhere. Unknown keys are refused, so that none is ignored in silence.",
        "Use the nearest name that the hint offers, or remove the key.";
    105 NAME Usage, "a name has a form that wharf does not take",
        "Names of projects and services are DNS labels: a-z, 0-9 and `-`, beginning and ending with a letter or digit.",
        "Choose another name, with `--name` where the folder's name does not fit.";
    201 ENGINE_MISSING Unreachable, "no engine was found",
        "Neither Docker nor Podman has a socket where wharf looked.",
        "Install Docker (`apt-get install docker.io`) or go on without one: `wharf serve MODEL`.";
    202 ENGINE_DENIED Denied, "the engine's socket refuses you",
        "Your user is not in the group that owns the socket.",
        "Run `sudo usermod -aG docker $USER` and log in again (this group is as good as root), or use rootless Docker or Podman.";
    203 ENGINE_SILENT Unreachable, "the engine does not answer",
        "The socket is there and nobody listens: the daemon has stopped, or hangs.",
        "Start it with `sudo systemctl start docker`, or `sudo dockerd` where there is no systemd.";
    204 ENGINE_VERSION Usage, "engine and wharf speak no common API version",
        "wharf speaks Docker's API from 1.41 (Docker 20.10) on.",
        "Update the engine.";
    205 ENGINE_HOST Usage, "the engine's address cannot be used",
        "`DOCKER_HOST` or a Docker context names a scheme that wharf does not speak yet.",
        "Use `unix://PATH` or `tcp://HOST:PORT`.";
    206 NO_IMAGE NotFound, "the engine has no such image",
        "It was never built or pulled here, or it was removed.",
        "Build it with `wharf up PATH`, or pull it.";
    207 NO_WORKLOAD NotFound, "the engine runs nothing of that name",
        "It was removed, or belongs to another project.",
        "See what is there with `wharf ps -a`.";
    208 UNSUPPORTED_FIELD Usage, "this engine cannot honour a field",
        "Engines differ. A field is honoured or refused by name, never ignored.",
        "Leave the field out, or use the engine that the hint names.";
    209 ENGINE_REFUSED Failed, "the engine refused an action",
        "The cause holds the engine's own words.",
        "Mend what the engine names; `docker info` and the daemon's log tell more.";
    210 PORT_TAKEN Conflict, "a port is taken",
        "Another process or container listens there.",
        "Choose another with `-p PORT`, or leave `-p` out: wharf takes a free one.";
    211 NETWORKS_USED_UP Capacity, "the engine has no free address block for a network",
        "Docker's default pools hold about 31 networks.",
        "Remove networks that nobody uses: `docker network prune`.";
    310 REGISTRY_UNREACHABLE Unreachable, "a registry cannot be reached",
        "A slip in its name, a network without a way to it, or a registry that is down.",
        "See whether `curl https://HOST/v2/` reaches it; a proxy is named in HTTPS_PROXY.";
    311 REGISTRY_TLS Unreachable, "a registry's encryption cannot be trusted",
        "Its certificate is signed by an authority that this machine does not know, or it speaks plain HTTP.",
        "Name the authority's file with `--ca FILE` or SSL_CERT_FILE; in a network that you trust, `--plain-http` goes without.";
    312 REGISTRY_CREDENTIALS Denied, "a registry refuses the credentials, or wants some",
        "A wrong password, a token that has ended, or nobody has logged in.",
        "Run `wharf login HOST`.";
    313 REGISTRY_FORBIDDEN Denied, "a registry does not allow an action",
        "The user may not write to that repository.",
        "Ask its owner, or log in as somebody who may.";
    314 REGISTRY_NOT_FOUND NotFound, "a registry does not know a name",
        "A slip in the name, or a registry that wants a repository to be made first.",
        "Look for the slip, or make the repository on the registry's page.";
    315 REGISTRY_BUSY Capacity, "a registry has had too many requests",
        "Registries limit how much one address or user may ask; they allow more to those who log in.",
        "Wait a while, or run `wharf login HOST`.";
    316 REGISTRY_ELSEWHERE Failed, "a registry sends wharf to another host",
        "A redirect, an upload address or a token server at a host that you did not name; wharf sends nothing there.",
        "If it is a token server that you trust, allow it: `--token-host HOST`.";
    317 REGISTRY_ANSWER Failed, "a registry answers with something that cannot be used",
        "It is no registry, it is broken, or something between changes what it says.",
        "See what `curl -i https://HOST/v2/` shows; the cause says which answer it was.";
    318 CREDENTIALS Failed, "the credentials of registries cannot be read or kept",
        "A damaged `config.json`, or a helper program that is missing or failed.",
        "Mend what the cause names, or move the file away and log in again.";
    319 NEEDS_ENGINE Usage, "an image cannot be made without an engine",
        "System packages are installed in a container; images of an engine are pushed by the engine.",
        "Build it into an engine, and push it with the engine's own command: `docker push IMAGE`.";
    320 IMAGE_UNUSABLE Failed, "an image of others cannot be used",
        "A manifest, config or layer is damaged, contradicts its digest, or goes beyond what images have.",
        "The cause names the part; get the image again from where it comes.";
    321 NO_PLATFORM NotFound, "an image is not there for a platform",
        "It was built for other machines.",
        "Name a platform that there is with `--platform`; the message lists them.";
    322 SHARED_DIGEST Conflict, "other tags stand for the same image",
        "A registry removes a manifest, and with it every tag that stands for it.",
        "The message lists the tags; remove all of them with `--force`.";
    325 UNSIGNED Failed, "an image has no signature",
        "Nobody has signed it, or it was built anew since: a signature is of one digest.",
        "Have it signed by whoever built it: `wharf image sign REF --key FILE`.";
    326 OTHER_SIGNATURE Failed, "an image is signed by none of the keys given",
        "Somebody else has signed it, the key is another one than you mean, or the image was replaced.",
        "Name the public half of the key that it should be signed with: `--key FILE`.";
    327 NO_ATTACHMENTS Failed, "a registry takes no attachments",
        "It knows neither of subjects (OCI 1.1) nor takes the tag in which they are listed otherwise.",
        "Push without them, `--no-sbom`, or use a registry that keeps them.";
    328 SIGNING_KEY Usage, "a key cannot be used",
        "It is of another kind than ECDSA on P-256, damaged, or locked with another password.",
        "Make one with `openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out wharf.key`.";
    401 NO_MODEL NotFound, "there is no model at that path",
        "A misspelt path, or a folder without a model file.",
        "Name the file: `wharf inspect FILE`.";
    402 UNKNOWN_MODEL Usage, "the file is not a model that wharf knows",
        "Another format, or a framework that wharf does not serve yet.",
        "Save it as XGBoost `.ubj`, LightGBM text, CatBoost `.cbm` or ONNX; save it with MLEM; or write a `predict.py`.";
    403 CORRUPT_MODEL Failed, "a model file is damaged",
        "It was cut off while copying, edited by hand, or is not what its name says.",
        "Save the model again, and compare sizes.";
    404 ARTIFACT_MISSING NotFound, "a model's file is gone",
        "The `.mlem` file describes data that is not beside it.",
        "Copy the file that the message names to its place, or save the model again.";
    405 ARTIFACT_CHANGED Failed, "a model's file is not the one that was saved",
        "Its size or hash differs from what the `.mlem` file records: it was changed or replaced since.",
        "Restore the file, or save the model again.";
    406 UNSUPPORTED_MODEL Usage, "the model uses something that wharf cannot run",
        "An operator, option or file version that no runtime of this build has.",
        "The message names the part; a `predict.py` with the library itself always works.";
    407 REQUIREMENTS Failed, "a Python requirement cannot be installed",
        "The version does not exist for this Python, the index is out of reach, or two requirements contradict each other.",
        "The lines from pip say which; mend the requirement, or pick another Python with `--base`.";
    408 NO_PYTHON NotFound, "no usable Python was found",
        "`wharf serve` needs an interpreter for models that run Python.",
        "Name one with `--python PATH`, or run the model in a container: `wharf up`.";
    409 NO_BASE NotFound, "the base image cannot be had",
        "It is not in the engine, and pulling it failed.",
        "Name one that is there with `--base IMAGE`; `docker images` lists them.";
    410 MODEL_LOAD Failed, "the model does not load",
        "A library is missing or has another version than the one that saved the model.",
        "The last lines of its log say why.";
    411 NO_HELPER Failed, "a server program of wharf was not found",
        "`wharf-serve` belongs beside `wharf`.",
        "Put the programs into one folder, or name it in `WHARF_HELPERS`.";
    412 BUILD_STEP Failed, "the engine could not build a Dockerfile",
        "A command of it failed, a file that it copies is not there, its base image cannot be had, or a line is misspelt.",
        "Mend the step that the message names; the last lines of the build are shown, `-v` shows all of them.";
    413 TARGET_TAKEN Conflict, "a path that was to be written holds something else",
        "A folder with files that wharf did not write, a file that is no image's archive, or a folder in place of a file.",
        "Name another path, or replace what is there with `--force`.";
    414 IMAGE_EXISTS Conflict, "another image has that name already",
        "The declaration has `force_overwrite: false`, which is its default, and an image of that name was built from something else.",
        "Give it another tag with `-t`, or replace it with `--force`.";
    415 NO_VALUE Usage, "a variable has no value",
        "A declaration names it alone in `build_arg` or `set_env`, and the environment does not have it.",
        "Set it, or write its value: `NAME=VALUE`.";
    416 TEMPLATE Usage, "a template of the Dockerfile cannot be used",
        "A folder of `templates_dir` is not there, or a template in it names something that has no value, or is no Jinja.",
        "Mend the line that the message names; `docs/reference/mlem.md` lists the names that templates may use.";
    417 NO_UV Unreachable, "`uv` is not there and cannot be had",
        "Python requirements are locked and installed with `uv`: it is not on PATH, and the index that wharf would fetch it from is out of reach.",
        "Install it (`pip install uv`), run the command once where an index can be reached, or name an interpreter: `wharf serve MODEL --python PATH`.";
    418 LOCK_DAMAGED Usage, "a lock of Python packages cannot be read",
        "`wharf.lock` was edited by hand, has the marks of a merge, or was written by a newer wharf.",
        "Restore it from your version control, or remove it and run `wharf lock MODEL`.";
    419 LOCK_MISFIT Conflict, "a lock does not fit the model or the Python",
        "The requirements were changed since `wharf.lock` was made, there is none, or it is for newer versions of Python.",
        "Run `wharf lock MODEL`, and keep the file with the model.";
    420 NO_WHEEL Failed, "a package has no wheel for a target",
        "It is published as source only, or not for that Python, machine or C library; wharf runs no build scripts of packages.",
        "Require another version, pick another Python, or make a wheel: `pip wheel PACKAGE -w wheels`, with PIP_FIND_LINKS naming the folder.";
    421 PACKAGE_FETCH Unreachable, "a package cannot be downloaded",
        "The index is out of reach, refuses the credentials, or no longer has the file.",
        "Mend what the cause says; what was received is kept, so trying again goes on from there.";
    422 PACKAGE_CHANGED Failed, "a package is not the one that was locked",
        "The file that an index or folder gave has another hash than `wharf.lock` records: it was replaced, or changed on the way.",
        "Find out which is right; if it is the new one, run `wharf lock MODEL --upgrade`.";
    501 DIED_AT_START Failed, "the container ended while starting",
        "The model or its server failed. The last log lines are shown.",
        "Mend the cause that the lines show; `wharf serve MODEL` runs the same without a container.";
    502 NOT_HEALTHY Timeout, "the service did not become healthy in time",
        "A large model, a slow disk, or a server that hangs.",
        "Give it more time with `--wait 5m`; see `wharf logs NAME`.";
    503 NAME_TAKEN Conflict, "the name belongs to another folder or file",
        "A service of that name was started from another folder, whose state is kept there, or from another model's file of the same folder.",
        "Choose another name with `--name`, or end the other one first: `wharf down NAME`.";
    504 NO_SERVICE NotFound, "there is no such service",
        "It was never started, or it was removed.",
        "See what is there with `wharf ps -a`.";
    505 LEASE_HELD Conflict, "somebody else is changing the same service",
        "Another wharf command works on it right now.",
        "Wait until it is done, and try again.";
    506 FOREIGN Conflict, "a container of that name is not wharf's",
        "Its labels are missing, or their seal does not hold: it was made by others, or changed.",
        "Choose another name with `--name`, or remove the container by hand.";
    507 SERVICE_SILENT Unreachable, "a service cannot be reached",
        "It has ended, or its port is not published where wharf looked.",
        "See what runs with `wharf ps`.";
    508 PREDICT_REFUSED Failed, "a service gave no prediction",
        "The input does not fit the model's signature, or the model raised an error.",
        "The cause holds the server's own words; `wharf inspect MODEL` shows the signature.";
    509 PREDICT_TIMEOUT Timeout, "a service took too long to answer",
        "A large model or batch, or a server that hangs.",
        "Ask for fewer rows at once; see `wharf logs NAME`.";
    510 NO_PORT Usage, "it is not known on which port an app listens",
        "Neither its image says so (`EXPOSE` in the Dockerfile) nor the command line.",
        "Say it: `wharf up TARGET -p 8000:8000` (HOST:CONTAINER), or add a line `EXPOSE 8000` to the Dockerfile.";
    511 STILL_RUNS Timeout, "a service still runs",
        "It was waited for its end, and it goes on.",
        "Wait longer with `wharf wait NAME --for ended --timeout 10m`, or end it: `wharf down NAME`.";
    512 TABLE_MISFIT Usage, "a table does not fit a model",
        "A column that the model takes is missing, a value is none of its type, a row has another length than the header, or the model takes no tables.",
        "Mend the place that the message names, FILE:LINE:COLUMN; `wharf inspect MODEL` shows what the model takes.";
    801 DISK_FULL Unreachable, "no space is left on the disk",
        "The disk with wharf's state, the cache or the engine's data is full.",
        "Make room: `docker system df` shows what the engine holds; `docker image prune` removes what nobody uses.";
    802 FILE_ACCESS Failed, "a file cannot be read or written",
        "It is missing, its folder is not there, or its permissions do not allow it.",
        "Mend what the cause says about the path in the message.";
    803 CHANGED_MEANWHILE Conflict, "a record was changed by somebody else meanwhile",
        "Two commands worked on the same service.",
        "Try again.";
    804 STATE_DAMAGED Failed, "a file of wharf's state is damaged",
        "It was edited by hand, or written by a newer wharf.",
        "Move the file away: what runs is known from its labels, only history is lost.";
    901 BUG Bug, "a fault of wharf itself",
        "Something happened that should not be possible.",
        "Please report it with the lines shown and `wharf --version`.";
    902 CANCELLED Cancelled, "the command was cancelled",
        "^C or SIGTERM.",
        "Run it again to go on.";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_in_order_and_unique() {
        assert!(PAGES.windows(2).all(|pair| pair[0].code < pair[1].code));
    }

    #[test]
    fn every_page_says_something() {
        for page in PAGES {
            let texts = [page.title, page.causes, page.remedy];
            assert!(texts.iter().all(|text| text.len() > 9), "{} has a hollow page", page.code);
            assert!(!page.title.ends_with('.'), "{}: a title is no sentence", page.code);
        }
    }
}
