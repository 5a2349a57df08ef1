//! `fulmar ui`: the web page and Storm's REST.

use fulmar_ui::UiConfig;

use crate::args::Common;
use crate::client::block_on;
use crate::failure::{Done, Failure};
use crate::settings;
use crate::verbs::nimbus::{ended, listen};

/// Arguments.
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  fulmar ui\n  fulmar ui --nimbus localhost:6629 --query localhost:8081\n  curl localhost:8080/api/v1/topology/summary"
)]
pub struct Args {
    /// Address to listen on; whoever reaches it may end topologies: keep it on loopback or a network that you trust.
    #[arg(long, default_value = "127.0.0.1")]
    host: String,
    /// Port; 0 is any free one.
    #[arg(long, default_value_t = settings::UI_PORT)]
    port: u16,
    /// The query service of the Wi-Fi pipeline; without it the Wi-Fi page says so.
    #[arg(long, value_name = "HOST:PORT")]
    query: Option<String>,
}

/// Runs it until SIGTERM or Ctrl-C.
pub fn run(common: &Common, args: &Args) -> Done {
    let config = UiConfig {
        nimbus: settings::nimbuses(common)?,
        query: args.query.clone(),
        conf: settings::load(common)?,
    };
    block_on(async {
        let listener = listen(common, &args.host, args.port).await?;
        let address = listener.local_addr().map_err(Failure::here)?;
        println!("ui http://{address}/{}", plainly());
        fulmar_ui::run(config, listener, ended())
            .await
            .map_err(Failure::here)
    })
}

/// What to add to the page's address when it is not the built page.
pub fn plainly() -> &'static str {
    if fulmar_ui::has_page() {
        ""
    } else {
        " (plain page: this program was built without ui/web/dist)"
    }
}
