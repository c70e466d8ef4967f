//! Runs the test origin as its own process, so that it can be killed and restarted on the same port.

use scenario::origin::Origin;

fn main() {
    let port = std::env::args().nth(1).and_then(|port| port.parse().ok()).expect("the port to listen on");
    let origin = Origin::start_on(port);
    println!("listening on {}", origin.port());
    loop {
        std::thread::park();
    }
}
