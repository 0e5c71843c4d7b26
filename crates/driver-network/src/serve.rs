//! The procedures.

use crate::update::Change;
use crate::{Driver, check_flags, error};
use api::network::{
    ConnectListAllNetworksRet, NetworkGetDhcpLeasesRet, NetworkListAllPortsRet, NetworkPortGetParametersRet,
};
use api::{Call, Network};
use base::object::{NetworkPortRef, NetworkRef};
use base::param::TypedParam;
use base::{ErrorCode, Result, Uuid};

fn count(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

fn most(names: Vec<String>, maxnames: i32) -> Vec<String> {
    names.into_iter().take(usize::try_from(maxnames).unwrap_or(0)).collect()
}

impl Network for Driver {
    fn connect_list_defined_networks(&self, _cx: &Call, maxnames: i32) -> Result<Vec<String>> {
        Ok(most(self.names(false), maxnames))
    }

    fn connect_list_networks(&self, _cx: &Call, maxnames: i32) -> Result<Vec<String>> {
        Ok(most(self.names(true), maxnames))
    }

    fn connect_num_of_defined_networks(&self, _cx: &Call) -> Result<i32> {
        Ok(count(self.names(false).len()).cast_signed())
    }

    fn connect_num_of_networks(&self, _cx: &Call) -> Result<i32> {
        Ok(count(self.names(true).len()).cast_signed())
    }

    fn connect_list_all_networks(
        &self,
        _cx: &Call,
        need_results: i32,
        flags: u32,
    ) -> Result<ConnectListAllNetworksRet> {
        let nets = self.list(flags)?;
        let ret = count(nets.len());
        Ok(ConnectListAllNetworksRet { nets: if need_results != 0 { nets } else { Vec::new() }, ret })
    }

    fn network_lookup_by_name(&self, _cx: &Call, name: &str) -> Result<NetworkRef> {
        let found = self.networks.by_name(name).map(|net| net.reference());
        found.ok_or_else(|| error(ErrorCode::NO_NETWORK, format!("no network with matching name '{name}'")))
    }

    fn network_lookup_by_uuid(&self, _cx: &Call, uuid: Uuid) -> Result<NetworkRef> {
        let found = self.networks.by_uuid(uuid).map(|net| net.reference());
        found.ok_or_else(|| error(ErrorCode::NO_NETWORK, format!("no network with matching uuid '{uuid}'")))
    }

    fn network_define_xml(&self, _cx: &Call, xml: &str) -> Result<NetworkRef> {
        self.define(xml, false)
    }

    fn network_define_xml_flags(&self, _cx: &Call, xml: &str, flags: u32) -> Result<NetworkRef> {
        check_flags(flags, 1, "networkDefineXMLFlags")?;
        self.define(xml, flags != 0)
    }

    fn network_create_xml(&self, _cx: &Call, xml: &str) -> Result<NetworkRef> {
        self.create(xml, false)
    }

    fn network_create_xml_flags(&self, _cx: &Call, xml: &str, flags: u32) -> Result<NetworkRef> {
        check_flags(flags, 1, "networkCreateXMLFlags")?;
        self.create(xml, flags != 0)
    }

    fn network_create(&self, _cx: &Call, net: &NetworkRef) -> Result<()> {
        self.launch(&self.find(net)?)
    }

    fn network_destroy(&self, _cx: &Call, net: &NetworkRef) -> Result<()> {
        self.destroy(net)
    }

    fn network_undefine(&self, _cx: &Call, net: &NetworkRef) -> Result<()> {
        self.undefine(net)
    }

    fn network_get_xml_desc(&self, _cx: &Call, net: &NetworkRef, flags: u32) -> Result<String> {
        self.document(net, flags)
    }

    fn network_get_bridge_name(&self, _cx: &Call, net: &NetworkRef) -> Result<String> {
        self.bridge_of(net)
    }

    fn network_get_autostart(&self, _cx: &Call, net: &NetworkRef) -> Result<i32> {
        Ok(self.find(net)?.value().autostart.into())
    }

    fn network_set_autostart(&self, _cx: &Call, net: &NetworkRef, autostart: i32) -> Result<()> {
        self.set_autostart(net, autostart != 0)
    }

    fn network_is_active(&self, _cx: &Call, net: &NetworkRef) -> Result<i32> {
        Ok(self.find(net)?.value().live.is_some().into())
    }

    fn network_is_persistent(&self, _cx: &Call, net: &NetworkRef) -> Result<i32> {
        Ok(self.find(net)?.value().config.is_some().into())
    }

    fn network_update(
        &self,
        _cx: &Call,
        net: &NetworkRef,
        command: u32,
        section: u32,
        parent_index: i32,
        xml: &str,
        flags: u32,
    ) -> Result<()> {
        self.update(net, Change { command, section, parent: parent_index, text: xml }, flags)
    }

    fn network_get_dhcp_leases(
        &self,
        _cx: &Call,
        net: &NetworkRef,
        mac: Option<&str>,
        need_results: i32,
        flags: u32,
    ) -> Result<NetworkGetDhcpLeasesRet> {
        let leases = self.lent(net, mac, flags)?;
        let ret = count(leases.len());
        Ok(NetworkGetDhcpLeasesRet { leases: if need_results != 0 { leases } else { Vec::new() }, ret })
    }

    fn network_set_metadata(
        &self,
        _cx: &Call,
        network: &NetworkRef,
        type_: i32,
        metadata: Option<&str>,
        key: Option<&str>,
        uri: Option<&str>,
        flags: u32,
    ) -> Result<()> {
        self.set_note(network, type_, metadata, key, uri, flags)
    }

    fn network_get_metadata(
        &self,
        _cx: &Call,
        network: &NetworkRef,
        type_: i32,
        uri: Option<&str>,
        flags: u32,
    ) -> Result<String> {
        self.note(network, type_, uri, flags)
    }

    fn network_list_all_ports(
        &self,
        _cx: &Call,
        network: &NetworkRef,
        need_results: i32,
        flags: u32,
    ) -> Result<NetworkListAllPortsRet> {
        let ports = self.list_ports(network, flags)?;
        let ret = count(ports.len());
        Ok(NetworkListAllPortsRet { ports: if need_results != 0 { ports } else { Vec::new() }, ret })
    }

    fn network_port_lookup_by_uuid(
        &self,
        _cx: &Call,
        network: &NetworkRef,
        uuid: Uuid,
    ) -> Result<NetworkPortRef> {
        self.lookup_port(network, uuid)
    }

    fn network_port_create_xml(
        &self,
        _cx: &Call,
        network: &NetworkRef,
        xml: &str,
        flags: u32,
    ) -> Result<NetworkPortRef> {
        self.create_port(network, xml, flags)
    }

    fn network_port_get_parameters(
        &self,
        _cx: &Call,
        port: &NetworkPortRef,
        nparams: i32,
        flags: u32,
    ) -> Result<NetworkPortGetParametersRet> {
        let params = self.port_parameters(port, flags)?;
        let total = count(params.len()).cast_signed();
        let params = if nparams > 0 { params } else { Vec::new() };
        Ok(NetworkPortGetParametersRet { params, nparams: total })
    }

    fn network_port_set_parameters(
        &self,
        _cx: &Call,
        port: &NetworkPortRef,
        params: &[TypedParam],
        flags: u32,
    ) -> Result<()> {
        self.set_port_parameters(port, params, flags)
    }

    fn network_port_get_xml_desc(&self, _cx: &Call, port: &NetworkPortRef, flags: u32) -> Result<String> {
        self.port_document(port, flags)
    }

    fn network_port_delete(&self, _cx: &Call, port: &NetworkPortRef, flags: u32) -> Result<()> {
        self.delete_port(port, flags)
    }
}
