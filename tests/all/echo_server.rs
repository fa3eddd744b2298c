//! The echo service under load: a thousand clients at once, some of which go away in
//! the middle, and every line is answered by C.

#![cfg(target_os = "linux")]

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::compile::BUILT;

/// The example. How long Cargo takes to build it is no test's business: only then its limit begins.
fn echo_server() -> Command {
    BUILT.example("echo_server")
}

/// A server, and its address. Killed if the test fails.
struct Server {
    child: Child,
    out: BufReader<std::process::ChildStdout>,
    address: String,
}

impl Server {
    fn start(mut echo_server: Command) -> Self {
        let mut child = echo_server
            .args(["--listen", "127.0.0.1:0"])
            .stdout(Stdio::piped())
            .spawn()
            .expect("it runs");
        let mut out = BufReader::new(child.stdout.take().expect("piped"));
        let mut line = String::new();
        out.read_line(&mut line).expect("UTF-8");
        let address = line
            .strip_prefix("listening on ")
            .expect("an address")
            .trim_end()
            .to_owned();
        Self {
            child,
            out,
            address,
        }
    }

    /// Asks it to stop, and returns what it says then.
    fn stop(mut self, signal: libc::c_int) -> String {
        let pid = libc::pid_t::try_from(self.child.id()).expect("a process id");
        // SAFETY: a process of ours, which was not waited for yet.
        assert_eq!(unsafe { libc::kill(pid, signal) }, 0);
        let mut said = String::new();
        self.out.read_to_string(&mut said).expect("UTF-8");
        assert_eq!(self.child.wait().expect("it ends").code(), Some(0));
        said
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_thousand_clients_are_answered_line_by_line() {
    const CLIENTS: usize = 1000;
    let program = echo_server();
    let _limit = testkit::limit::seconds(60);
    let server = Server::start(program);
    let address = server.address.clone();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        // All are connected before the first says a word.
        let all_here = std::sync::Arc::new(tokio::sync::Barrier::new(CLIENTS));
        let mut clients = JoinSet::new();
        for number in 0..CLIENTS {
            let (address, all_here) = (address.clone(), std::sync::Arc::clone(&all_here));
            clients.spawn(async move {
                let mut server = tokio::io::BufReader::new(
                    TcpStream::connect(address).await.expect("it listens"),
                );
                all_here.wait().await;
                for line in 0..3 {
                    let name = format!("{number}-{line}");
                    server
                        .write_all(format!("{name}\n").as_bytes())
                        .await
                        .expect("it reads");
                    if number % 10 == 9 && line == 2 {
                        return; // goes away, with a line under way
                    }
                    let mut answer = String::new();
                    server.read_line(&mut answer).await.expect("it answers");
                    assert_eq!(answer, format!("Hi, {name}! Bye, {name}!\n"));
                }
            });
        }
        while let Some(client) = clients.join_next().await {
            client.expect("no panic");
        }
    });
    let said = server.stop(libc::SIGTERM);
    // A line whose client is gone may not have been read before the server was stopped.
    let lines: u64 = number_before(&said, " lines");
    assert!(said.starts_with("stopped: 1000 connections, "), "{said}");
    assert!((2900..=3000).contains(&lines), "{said}");
    let (started, ended) = (
        number_before(&said, ", ended"),
        number_after(&said, "ended "),
    );
    assert_eq!(started, ended, "{said}");
    assert!((2900..=3000).contains(&started), "{said}");
}

fn number_before(text: &str, mark: &str) -> u64 {
    let before = text.split(mark).next().expect("a part");
    before
        .rsplit(' ')
        .next()
        .expect("a word")
        .parse()
        .unwrap_or_else(|_| panic!("{text}"))
}

fn number_after(text: &str, mark: &str) -> u64 {
    let after = text.split(mark).nth(1).unwrap_or_else(|| panic!("{text}"));
    after
        .trim_end()
        .parse()
        .unwrap_or_else(|_| panic!("{text}"))
}

#[test]
fn bad_lines_are_answered_and_open_connections_are_let_go() {
    let program = echo_server();
    let _limit = testkit::limit::seconds(60);
    let server = Server::start(program);
    let address = server.address.clone();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let mut idle = TcpStream::connect(&address).await.expect("it listens");
        for (said, heard) in [
            (
                b"\0\n".to_vec(),
                "error: the name has a NUL before its end\n",
            ),
            (b"\n".to_vec(), "Hi, ! Bye, !\n"),
            (b"\xff\n".to_vec(), "Hi, \u{fffd}! Bye, \u{fffd}!\n"),
            (vec![b'a'; 256], "error: the line is too long\n"),
            (b"no end".to_vec(), ""),
        ] {
            let mut client = TcpStream::connect(&address).await.expect("it listens");
            client.write_all(&said).await.expect("it reads");
            client.shutdown().await.expect("it is open");
            let mut answer = Vec::new();
            client.read_to_end(&mut answer).await.expect("it closes");
            assert_eq!(String::from_utf8_lossy(&answer), heard);
        }
        // Still there when the server is told to stop.
        idle.write_all(b"idle\n").await.expect("it reads");
        let stopped = tokio::task::spawn_blocking(|| server.stop(libc::SIGINT));
        let stopped = tokio::time::timeout(Duration::from_secs(30), stopped).await;
        let said = stopped.expect("it stops").expect("no panic");
        assert!(said.starts_with("stopped: 6 connections, "), "{said}");
        drop(idle);
    });
}

#[test]
fn what_is_asked_wrongly_is_said() {
    for (arguments, said) in [
        (&["--listen"][..], "usage: echo_server [--listen ADDR]"),
        (&["--listen", "nowhere"][..], "error: nowhere: "),
    ] {
        let mut program = echo_server();
        let _limit = testkit::limit::seconds(60);
        let output = program.args(arguments).output().expect("it runs");
        assert_eq!(output.status.code(), Some(2));
        assert!(
            String::from_utf8_lossy(&output.stderr).starts_with(said),
            "{output:?}"
        );
    }
}
