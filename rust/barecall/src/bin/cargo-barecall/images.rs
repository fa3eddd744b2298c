//! The images to inspect: a file, or what cargo builds.

use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use barecall::Image;
use cargo_metadata::{Artifact, Message, MetadataCommand, TargetKind};
use serde::Serialize;
use serde_json::Value;

use crate::Failure;

/// The images to read.
#[derive(Debug, clap::Args)]
pub(crate) struct Images {
    /// Read this executable, library, object or archive instead of building
    #[arg(long, value_name = "FILE", conflicts_with = "Build")]
    file: Option<PathBuf>,
    #[command(flatten)]
    build: Build,
}

/// Its fields are the flags of `cargo build`: see [`Build::arguments`].
#[derive(Debug, clap::Args, Serialize)]
#[serde(rename_all = "kebab-case")]
#[command(next_help_heading = "What to build, as in cargo build")]
struct Build {
    /// Build this package
    #[arg(short, long, value_name = "SPEC")]
    package: Vec<String>,
    /// Build all packages of the workspace
    #[arg(long)]
    workspace: bool,
    /// Exclude this package
    #[arg(long, value_name = "SPEC")]
    exclude: Vec<String>,
    /// Build the library: the cdylib or dylib, otherwise the archive
    #[arg(long)]
    lib: bool,
    /// Build this binary
    #[arg(long, value_name = "NAME")]
    bin: Vec<String>,
    /// Build all binaries
    #[arg(long)]
    bins: bool,
    /// Build this example
    #[arg(long, value_name = "NAME")]
    example: Vec<String>,
    /// Build all examples
    #[arg(long)]
    examples: bool,
    /// Build this test target
    #[arg(long, value_name = "NAME")]
    test: Vec<String>,
    /// Build all tests, including unit tests
    #[arg(long)]
    tests: bool,
    /// Build this bench target
    #[arg(long, value_name = "NAME")]
    bench: Vec<String>,
    /// Build all benches
    #[arg(long)]
    benches: bool,
    /// Build all targets
    #[arg(long)]
    all_targets: bool,
    /// Activate these features
    #[arg(short = 'F', long, value_name = "FEATURES")]
    features: Vec<String>,
    /// Activate all features
    #[arg(long)]
    all_features: bool,
    /// Do not activate the `default` feature
    #[arg(long)]
    no_default_features: bool,
    /// Build in release mode
    #[arg(short, long)]
    release: bool,
    /// Build in this profile
    #[arg(long, value_name = "PROFILE")]
    profile: Option<String>,
    /// Build for this target triple
    #[arg(long, value_name = "TRIPLE")]
    target: Option<String>,
    /// Path to Cargo.toml
    #[arg(long, value_name = "PATH")]
    manifest_path: Option<PathBuf>,
    /// Directory for everything that cargo builds
    #[arg(long, value_name = "DIRECTORY")]
    target_dir: Option<PathBuf>,
    /// Assert that Cargo.lock will remain unchanged
    #[arg(long)]
    locked: bool,
    /// Run without accessing the network
    #[arg(long)]
    offline: bool,
}

impl Images {
    /// Reads them; builds first, if no file is named.
    pub(crate) fn open(&self) -> Result<Vec<Image>, Failure> {
        let files = match &self.file {
            Some(file) => vec![file.clone()],
            None => self.built()?,
        };
        files.iter().map(|file| open(file)).collect()
    }

    /// What cargo built, in the order of its messages.
    fn built(&self) -> Result<Vec<PathBuf>, Failure> {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut child = Command::new(&cargo)
            .args(["build", "--message-format=json-render-diagnostics"])
            .args(self.build.arguments()?)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("{} cannot be run: {error}", Path::new(&cargo).display()))?;
        let mut artifacts = Vec::new();
        if let Some(stdout) = child.stdout.take() {
            for message in Message::parse_stream(BufReader::new(stdout)) {
                if let Message::CompilerArtifact(artifact) = message? {
                    artifacts.push(artifact);
                }
            }
        }
        if !child.wait()?.success() {
            return Err("the package does not build; cargo's own message is above".into());
        }
        let mut metadata = MetadataCommand::new();
        metadata.cargo_path(&cargo).no_deps();
        if let Some(path) = &self.build.manifest_path {
            metadata.manifest_path(path);
        }
        let members = metadata.exec()?.workspace_members;
        artifacts.retain(|artifact| members.contains(&artifact.package_id));
        let files: Vec<PathBuf> = artifacts
            .iter()
            .filter(|artifact| self.build.wants(artifact))
            .filter_map(|artifact| self.build.image(artifact))
            .collect();
        if files.is_empty() {
            return Err(
                "nothing was built that is linked: name a target that is, such as --bin NAME, --example NAME or \
                 --tests; --lib reads the library before it is linked"
                    .into(),
            );
        }
        Ok(files)
    }
}

impl Build {
    /// What to tell `cargo build`.
    fn arguments(&self) -> Result<Vec<String>, Failure> {
        let Value::Object(flags) = serde_json::to_value(self)? else {
            return Ok(Vec::new());
        };
        let mut arguments = Vec::new();
        for (name, given) in flags {
            let flag = format!("--{name}");
            let values = match given {
                Value::Array(values) => values,
                Value::String(_) => vec![given],
                Value::Bool(true) => {
                    arguments.push(flag);
                    continue;
                }
                _ => continue,
            };
            for value in values.iter().filter_map(Value::as_str) {
                arguments.extend([flag.clone(), value.to_owned()]);
            }
        }
        Ok(arguments)
    }

    /// Whether this is what was asked for: cargo also builds binaries that tests run.
    fn wants(&self, artifact: &Artifact) -> bool {
        let target = &artifact.target;
        let named = |names: &[String]| names.contains(&target.name);
        let test = artifact.profile.test;
        let asked = self.lib
            || self.bins
            || self.examples
            || self.tests
            || self.benches
            || self.all_targets
            || [&self.bin, &self.example, &self.test, &self.bench]
                .iter()
                .any(|names| !names.is_empty());
        target.kind.iter().any(|kind| match kind {
            TargetKind::CustomBuild | TargetKind::ProcMacro => false,
            _ if self.all_targets => artifact.executable.is_some() || shared(artifact).is_some(),
            _ if test && (self.tests || self.benches) => true,
            TargetKind::Bin => !test && (!asked || self.bins || named(&self.bin)),
            TargetKind::Example => self.examples || named(&self.example),
            TargetKind::Test => named(&self.test),
            TargetKind::Bench => self.benches || named(&self.bench),
            TargetKind::CDyLib | TargetKind::DyLib => !test && (!asked || self.lib),
            TargetKind::Lib | TargetKind::RLib | TargetKind::StaticLib => !test && self.lib,
            _ => false,
        })
    }

    /// The file of an artifact to read: what is linked, rather than an archive.
    fn image(&self, artifact: &Artifact) -> Option<PathBuf> {
        let executable = artifact.executable.as_ref().map(PathBuf::from);
        let archive = || {
            let files = artifact.filenames.iter();
            let found = files
                .clone()
                .find(|file| matches!(file.extension(), Some("rlib" | "a" | "lib")));
            found.filter(|_| self.lib).map(PathBuf::from)
        };
        executable.or_else(|| shared(artifact)).or_else(archive)
    }
}

/// The shared library among an artifact's files.
fn shared(artifact: &Artifact) -> Option<PathBuf> {
    artifact
        .filenames
        .iter()
        .find(|file| matches!(file.extension(), Some("so" | "dylib" | "dll")))
        .map(PathBuf::from)
}

/// Reads one image.
pub(crate) fn open(file: &Path) -> Result<Image, Failure> {
    Ok(Image::open(file)?)
}
