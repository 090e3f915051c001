use super::args::PluginBuild;
use super::exit::Failure;
pub fn build(_build: &PluginBuild) -> Result<(), Failure> {
    Ok(())
}
