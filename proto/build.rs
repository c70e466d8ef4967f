//! Compiles the wire's description into Rust without needing `protoc` on the machine.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=sitio");
    let described = protox::compile(["sitio/mesh/v1/mesh.proto"], ["."])?;
    // Whole reports, windows and sets of rules are handed on and not copied.
    let mut made = tonic_prost_build::configure().codec_path("crate::codec::MeshCodec");
    for whole in ["Up.live", "Up.window", "Down.desired"] {
        made = made.bytes(format!(".sitio.mesh.v1.{whole}"));
    }
    made.compile_fds(described)?;
    Ok(())
}
