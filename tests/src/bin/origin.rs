//! The origin as a program of its own, which can be killed and started again where it was.

use scenario::origin::Origin;

fn main() {
    let port = std::env::args().nth(1).and_then(|port| port.parse().ok()).expect("the port to listen on");
    let origin = Origin::start_on(port);
    println!("listening on {}", origin.port());
    loop {
        std::thread::park();
    }
}
