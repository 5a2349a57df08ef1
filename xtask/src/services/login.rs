//! Whether a Cassandra takes its first login: one handshake of CQL's native protocol, version 4.
//!
//! The port opens before the default superuser is there, and nothing in the log tells when it is.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

const MOST: Duration = Duration::from_secs(2);
const STARTUP: u8 = 0x01;
const AUTHENTICATE: u8 = 0x03;
const AUTH_RESPONSE: u8 = 0x0f;
const AUTH_SUCCESS: u8 = 0x10;

/// Logs in as the default superuser.
pub fn works(port: u16) -> bool {
    attempt(port).unwrap_or(false)
}

fn attempt(port: u16) -> std::io::Result<bool> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut socket = TcpStream::connect_timeout(&address, MOST)?;
    socket.set_read_timeout(Some(MOST))?;
    // One option: CQL_VERSION is 3.0.0.
    let mut body = vec![0, 1];
    for text in ["CQL_VERSION", "3.0.0"] {
        body.extend((text.len() as u16).to_be_bytes());
        body.extend(text.as_bytes());
    }
    if ask(&mut socket, STARTUP, &body)? != AUTHENTICATE {
        return Ok(false);
    }
    let token = b"\0cassandra\0cassandra";
    let mut body = (token.len() as u32).to_be_bytes().to_vec();
    body.extend(token);
    Ok(ask(&mut socket, AUTH_RESPONSE, &body)? == AUTH_SUCCESS)
}

/// Sends a request and answers the opcode of what comes back.
fn ask(socket: &mut TcpStream, opcode: u8, body: &[u8]) -> std::io::Result<u8> {
    let mut frame = vec![4, 0, 0, 0, opcode];
    frame.extend((body.len() as u32).to_be_bytes());
    frame.extend(body);
    socket.write_all(&frame)?;
    let mut head = [0; 9];
    socket.read_exact(&mut head)?;
    let length = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
    let mut rest = vec![0; length.min(1 << 20) as usize];
    socket.read_exact(&mut rest)?;
    Ok(head[4])
}
