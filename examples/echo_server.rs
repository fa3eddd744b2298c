//! A TCP service on tokio that has C answer each line it receives: the callback
//! pattern in use. Without arguments it serves three clients of its own, and ends.
//! `--listen ADDR` serves until Ctrl-C or SIGTERM.
//!
//! ```text
//! client 1 said Ferris, and hears: Hi, Ferris! Bye, Ferris!
//! client 2 said Gopher, and hears: Hi, Gopher! Bye, Gopher!
//! client 3 said a NUL, and hears: error: the name has a NUL before its end
//! stopped: 3 connections, 3 lines; C started 2, ended 2
//! ```

use std::error::Error;
use std::ffi::CString;
use std::future::Future;
use std::io::{self, Write as _};
use std::pin::pin;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use zero_cost_ffi::greeting;
use zero_cost_ffi::task::callback;

/// How long C takes for an answer.
const DELAY: Duration = Duration::from_millis(1);
/// Connections at one time. What is more waits to be accepted.
const CONNECTIONS: usize = 1024;
/// Bytes in a line. A client that sends more is told so, and left.
const LINE: u64 = 256;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match arguments[..] {
        [] => run(demonstrate()),
        ["--listen", address] => run(listen(address)),
        _ => {
            eprintln!("usage: echo_server [--listen ADDR], such as 127.0.0.1:7777");
            return ExitCode::from(2);
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}

fn run(service: impl Future<Output = Result<(), Box<dyn Error>>>) -> Result<(), Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(service)
}

/// Serves until a signal says that it is enough.
async fn listen(address: &str) -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind(address)
        .await
        .map_err(|error| format!("{address}: {error}"))?;
    say(&format!("listening on {}", listener.local_addr()?));
    let (mut interrupt, mut terminate) = (
        signal(SignalKind::interrupt())?,
        signal(SignalKind::terminate())?,
    );
    serve(listener, async {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
    .await
}

/// Serves three clients, one after another.
async fn demonstrate() -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let clients = async {
        for (number, (said, line)) in [
            ("Ferris", "Ferris\n"),
            ("Gopher", "Gopher\n"),
            ("a NUL", "\0\n"),
        ]
        .into_iter()
        .enumerate()
        {
            let mut server = BufReader::new(TcpStream::connect(address).await?);
            server.write_all(line.as_bytes()).await?;
            let mut heard = String::new();
            server.read_line(&mut heard).await?;
            say(&format!(
                "client {} said {said}, and hears: {}",
                number + 1,
                heard.trim_end()
            ));
        }
        io::Result::Ok(())
    };
    let mut failed = Ok(());
    serve(listener, async { failed = clients.await }).await?;
    Ok(failed?)
}

/// Accepts until `enough`; then what is under way is dropped, and C's work with it.
async fn serve(
    listener: TcpListener,
    enough: impl Future<Output = ()>,
) -> Result<(), Box<dyn Error>> {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let mut enough = pin!(enough);
    let mut connections = JoinSet::new();
    // Counted where they are read: a connection that is dropped has no result.
    let lines = Arc::new(AtomicU64::new(0));
    let mut accepted = 0;
    loop {
        let next = async {
            let place = Arc::clone(&places).acquire_owned().await;
            (place, listener.accept().await)
        };
        tokio::select! {
            // What has ended is forgotten.
            Some(_) = connections.join_next() => {}
            () = &mut enough => break,
            (place, accepted_one) = next => match accepted_one {
                Ok((client, _)) => {
                    accepted += 1;
                    let lines = Arc::clone(&lines);
                    connections.spawn(async move {
                        let _place = place; // given back when the connection ends
                        converse(client, &lines).await;
                    });
                }
                // Out of descriptors, perhaps: some will be closed.
                Err(error) => {
                    eprintln!("not accepted: {error}");
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            },
        }
    }
    connections.shutdown().await;
    // Nothing of ours is left, so C is done as soon as its last callback is.
    while let Err(greeting::Error::Pending) = greeting::shutdown() {
        tokio::task::yield_now().await;
    }
    let counts = greeting::counts();
    say(&format!(
        "stopped: {accepted} connections, {} lines; C started {}, ended {}",
        lines.load(Relaxed),
        counts.started,
        counts.ended
    ));
    Ok(())
}

/// Answers each line of one client, and counts it. A client that goes away ends it.
async fn converse(client: TcpStream, lines: &AtomicU64) {
    let mut client = BufReader::new(client);
    let mut line = Vec::new();
    loop {
        line.clear();
        match (&mut client).take(LINE).read_until(b'\n', &mut line).await {
            Ok(1..) if line.ends_with(b"\n") => line.truncate(line.len() - 1),
            Ok(length) if length as u64 == LINE => {
                let _ = client.write_all(b"error: the line is too long\n").await;
                return;
            }
            _ => return,
        }
        lines.fetch_add(1, Relaxed);
        let mut answer = match answer(&line).await {
            Ok(answer) => answer,
            Err(error) => format!("error: {error}").into_bytes(),
        };
        answer.push(b'\n');
        if client.write_all(&answer).await.is_err() {
            return;
        }
    }
}

/// What C makes of a line.
async fn answer(line: &[u8]) -> Result<Vec<u8>, greeting::Error> {
    let name = CString::new(line)?;
    Ok(callback::greet(&name, DELAY)?.await?.into_bytes())
}

/// A line on stdout, at once: whoever started this waits for it. A closed pipe is no error.
fn say(line: &str) {
    let mut out = io::stdout().lock();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}
