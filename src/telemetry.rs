//! Structured logs: JSON for machines, lines for people. No secrets: nothing here logs a body or a parameter.

use tracing_subscriber::EnvFilter;

/// Form of the logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For a person at a terminal.
    Human,
}

/// Starts logging. `RUST_LOG` sets what is logged; the default is `info` of this program and warnings of others.
pub fn start(format: LogFormat) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn,sequester=info"));
    let logs = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match format {
        LogFormat::Json => logs.json().init(),
        LogFormat::Human => logs.init(),
    }
}
