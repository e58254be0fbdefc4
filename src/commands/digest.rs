//! `sequester digest`: what `sha256sum` would print for a snapshot's raw image, without a volume and without a host.

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::manifest::Manifest;
use super::state::State;
use super::{CommandError, Source};
use crate::api::ids::{AccountId, RegionName, SnapshotId};
use crate::cloud::blocks::Advance;
use crate::playbook::image::{BLOCK, ImageDigest};

/// How often a line tells how far it is.
const TELL: Duration = Duration::from_secs(2);

/// How often it is saved where little is read.
const SAVE: Duration = Duration::from_secs(5);

/// Blocks read after which it is saved: 64 MiB.
const BLOCKS: u64 = 128;

/// What is asked for.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The snapshot: completed, not archived, the account's own or shared with it.
    snapshot: SnapshotId,
    #[command(flatten)]
    source: Source,
    /// File that says how far it is, written again and again. Where there is one already, it goes on from there; it is
    /// removed once the result is printed.
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
    /// File for the manifest of blocks, which tells where two images differ.
    #[arg(long, value_name = "FILE")]
    manifest: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// What is printed.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Printed {
    snapshot: SnapshotId,
    region: RegionName,
    account: AccountId,
    principal: String,
    bytes: u64,
    block_bytes: u64,
    blocks_written: u64,
    blocks_not_zero: u64,
    image_sha256: String,
    manifest_sha256: String,
}

pub(super) async fn run(arguments: Arguments) -> Result<(), CommandError> {
    let Arguments { snapshot, source, state, manifest, json } = arguments;
    let opened = state.as_deref().map(|path| State::open(path, &snapshot, &source.region)).transpose()?;
    let (state, part) = opened.map_or((None, None), |(state, part)| (Some(state), part));
    let from = match (&state, &part) {
        (Some(state), Some(part)) => Some(state.resume(part)?),
        _ => None,
    };
    let manifest = manifest.as_deref().map(|path| Manifest::open(path, part.as_ref())).transpose()?;
    let aws = source.open().await?;
    let mut teller = Teller { snapshot: snapshot.clone(), state, manifest, told: None, saved: None };
    let reading = source.reading();
    let digested = aws.aws.digest_snapshot(&aws.place, &snapshot, reading, from, &mut |step| teller.step(step)).await;
    let images = digested.map_err(|error| aws.explain(error))?;
    teller.end().map_err(CommandError::Output)?;
    let printed = Printed {
        snapshot,
        region: source.region,
        account: aws.who.account,
        principal: aws.who.arn,
        bytes: images.bytes,
        block_bytes: BLOCK,
        blocks_written: images.written,
        blocks_not_zero: images.not_zero,
        image_sha256: images.image.hex().to_owned(),
        manifest_sha256: images.manifest.hex().to_owned(),
    };
    print(&printed, json).map_err(CommandError::Output)?;
    teller.state.map_or(Ok(()), |state| state.remove())
}

fn print(printed: &Printed, json: bool) -> io::Result<()> {
    let mut out = io::stdout().lock();
    if json {
        serde_json::to_writer(&mut out, printed)?;
        writeln!(out)?;
    } else {
        writeln!(out, "snapshot         {}", printed.snapshot)?;
        writeln!(out, "region           {}", printed.region)?;
        writeln!(out, "account          {}", printed.account)?;
        writeln!(out, "bytes            {}", printed.bytes)?;
        writeln!(out, "blocks written   {}", printed.blocks_written)?;
        writeln!(out, "blocks not zero  {}", printed.blocks_not_zero)?;
        writeln!(out, "image sha256     {}", printed.image_sha256)?;
        writeln!(out, "manifest sha256  {}", printed.manifest_sha256)?;
    }
    out.flush()
}

/// Tells and keeps how far it is.
struct Teller {
    snapshot: SnapshotId,
    state: Option<State>,
    manifest: Option<Manifest>,
    told: Option<Instant>,
    saved: Option<(Instant, u64)>,
}

impl Teller {
    fn step(&mut self, step: Advance<'_>) -> io::Result<()> {
        if let Some(manifest) = &mut self.manifest {
            manifest.add(step.digest, step.line)?;
        }
        let now = Instant::now();
        if self.told.is_none_or(|told| now.duration_since(told) >= TELL) {
            self.told = Some(now);
            self.tell(step.digest)?;
        }
        let written = step.digest.written();
        let (at, before) = *self.saved.get_or_insert((now, written));
        if written >= before + BLOCKS || now.duration_since(at) >= SAVE {
            self.saved = Some((now, written));
            self.save(step.digest)?;
        }
        Ok(())
    }

    fn tell(&self, digest: &ImageDigest) -> io::Result<()> {
        let (done, all) = (digest.bytes(), digest.image());
        let mib = |bytes: u64| bytes >> 20;
        let permille = u128::from(done) * 1000 / u128::from(all.max(1));
        let (percent, tenth) = (permille / 10, permille % 10);
        let (snapshot, read) = (&self.snapshot, digest.written());
        let mut err = io::stderr().lock();
        writeln!(err, "{snapshot}: {percent}.{tenth} % of {} MiB, {read} blocks read", mib(all))
    }

    /// The manifest first: what the state says of it must be there.
    fn save(&mut self, digest: &ImageDigest) -> io::Result<()> {
        let Some(state) = &self.state else { return Ok(()) };
        if let Some(manifest) = &mut self.manifest {
            manifest.sync()?;
        }
        state.save(digest.part())
    }

    fn end(&mut self) -> io::Result<()> {
        self.manifest.as_mut().map_or(Ok(()), Manifest::sync)
    }
}
