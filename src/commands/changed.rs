//! `sequester changed`: where two moments of a volume differ, without reading a byte of it.

use std::io::{self, BufWriter, Write as _};

use super::{CommandError, Source};
use crate::api::ids::SnapshotId;
use crate::playbook::image::{BLOCK, Range};

/// What is asked for.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The earlier snapshot.
    first: SnapshotId,
    /// The later one, of the same volume.
    second: SnapshotId,
    #[command(flatten)]
    source: Source,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(arguments: Arguments) -> Result<(), CommandError> {
    let Arguments { first, second, source, json } = arguments;
    let aws = source.open().await?;
    // Ranges are printed as they come: a large volume may have millions.
    let mut out = BufWriter::new(io::stdout());
    let mut ranges = 0_u64;
    if json {
        let names = format!(r#"{{"first":"{first}","second":"{second}","blockBytes":{BLOCK},"ranges":["#);
        out.write_all(names.as_bytes()).map_err(CommandError::Output)?;
    }
    let mut tell = |range: Range| {
        ranges += 1;
        if json {
            if ranges > 1 {
                out.write_all(b",")?;
            }
            Ok(serde_json::to_writer(&mut out, &range)?)
        } else {
            writeln!(out, "{} {}", range.offset, range.length)
        }
    };
    let compared = aws.aws.changed_blocks(&aws.place, [&first, &second], source.reading(), &mut tell).await;
    let compared = compared.map_err(|error| aws.explain(error))?;
    let end = |out: &mut BufWriter<io::Stdout>| {
        if json {
            writeln!(out, r#"],"imageBytes":{},"changedBytes":{}}}"#, compared.image, compared.bytes)?;
        }
        out.flush()
    };
    end(&mut out).map_err(CommandError::Output)?;
    let (bytes, image) = (compared.bytes, compared.image);
    writeln!(io::stderr(), "{bytes} of {image} bytes are in blocks that differ, in {ranges} ranges")
        .map_err(CommandError::Output)
}
