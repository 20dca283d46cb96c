//! `whereof healthcheck`: asks a server whether it is ready, for containers without curl.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use clap::Args;

use super::Failure;
use super::print::out;
use super::serve::runtime;
use crate::client::Client;
use crate::config::address;
use crate::http::health::Health;

/// Arguments of `healthcheck`.
#[derive(Debug, Args)]
pub struct Healthcheck {
    /// Address that the server listens on; 0.0.0.0 means this machine
    #[arg(long, env = "WHEREOF_LISTEN", value_name = "ADDRESS", default_value = "127.0.0.1:8080",
        value_parser = address)]
    listen: SocketAddr,
    /// Seconds to wait for the answer
    #[arg(long, value_name = "SECONDS", default_value_t = 4)]
    wait: u64,
}

pub fn healthcheck(arguments: Healthcheck) -> Result<(), Failure> {
    let Healthcheck { listen, wait } = arguments;
    let client = Client::new(format!("http://{}", reachable(listen)));
    runtime()?.block_on(async {
        let asked = client.get::<Health>("/readyz");
        let answered = tokio::time::timeout(Duration::from_secs(wait), asked).await;
        let health = answered.map_err(|_| format!("no answer within {wait} seconds"))??;
        out(&format!("ready, version {}\n", health.version))
    })
}

/// Where a server that listens on `address` is reached from this machine.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unspecified_address_is_reached_on_loopback() {
        let reached = |address: &str| reachable(address.parse().unwrap()).to_string();
        assert_eq!(reached("0.0.0.0:80"), "127.0.0.1:80");
        assert_eq!(reached("[::]:80"), "[::1]:80");
        assert_eq!(reached("192.0.2.1:80"), "192.0.2.1:80");
    }
}
