// Two hosts on one Linux machine, for runs of mpirun: network namespaces joined by a link whose rate may be limited. Needs
// root, `ip` and `tc`.
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Of this process alone. */
const hosts = ['a', 'b'].map((letter) => `a2v${process.pid}${letter}`);
const device = (host) => `${host}0`;
const address = (i) => `10.77.0.${i + 1}`;

function run(command) {
  const { status, stderr } = spawnSync('sh', ['-c', command], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${command}: ${stderr}`);
}

/** Why there can be no two hosts here; undefined if there can. */
export function noHosts() {
  if (process.platform !== 'linux' || process.getuid() !== 0)
    return 'only root of a Linux machine makes network namespaces';
  const tried = spawnSync('sh', ['-c', 'ip netns add $0 && ip netns del $0 && tc -V && mpirun --version', hosts[0]]);
  return tried.status === 0 ? undefined : 'ip, tc, mpirun or network namespaces are missing';
}

/**
 * @param {string} [rate] of the link, as tc has it: 1gbit
 * @returns {{ command: (args: readonly string[]) => string[], cut: () => void, close: () => void }} the command line that
 *   runs `args` once on each host
 */
export function twoHosts(rate) {
  const folder = mkdtempSync(join(tmpdir(), 'two-hosts-'));
  const agent = join(folder, 'agent');
  // What mpirun calls instead of ssh: agent HOST COMMAND…
  writeFileSync(
    agent,
    '#!/bin/sh\nhost=$1; shift\nexec ip netns exec $host unshare --uts sh -c "hostname $host; $*"\n',
  );
  chmodSync(agent, 0o755);
  const close = () => {
    process.removeListener('SIGTERM', killed);
    for (const host of hosts) {
      // Whatever still runs there, such as the daemon of an mpirun that lost it.
      spawnSync('sh', [
        '-c',
        `ip netns pids ${host} | xargs -r kill -9; ip netns del ${host}; rm -rf /etc/netns/${host}`,
      ]);
    }
    rmSync(folder, { recursive: true, force: true });
  };
  const killed = () => {
    close();
    process.exit(143);
  };
  process.once('SIGTERM', killed);
  try {
    for (const host of hosts) {
      run(`ip netns add ${host} && ip -n ${host} link set lo up`);
      mkdirSync(`/etc/netns/${host}`, { recursive: true });
      const names = hosts.map((name, i) => `${address(i)} ${name}\n`).join('');
      writeFileSync(`/etc/netns/${host}/hosts`, `127.0.0.1 localhost\n${names}`);
    }
    const [a, b] = hosts;
    run(`ip link add ${device(a)} netns ${a} type veth peer name ${device(b)} netns ${b}`);
    for (const [i, host] of hosts.entries()) {
      run(`ip -n ${host} addr add ${address(i)}/24 dev ${device(host)} && ip -n ${host} link set ${device(host)} up`);
      if (rate) run(`tc -n ${host} qdisc add dev ${device(host)} root tbf rate ${rate} burst 256kb latency 50ms`);
    }
  } catch (error) {
    close();
    throw error;
  }
  const network = ['btl_tcp_if_include', 'oob_tcp_if_include'].flatMap((name) => ['--mca', name, '10.77.0.0/24']);
  return {
    command: (args) => [
      ...[agent, hosts[0], 'exec', 'mpirun', '-H', hosts.map((host) => `${host}:1`).join(',')],
      ...['--bind-to', 'none', '--mca', 'plm_rsh_agent', agent, '--mca', 'btl', 'tcp,self', ...network],
      ...['--mca', 'oob_tcp_keepalive_time', '2', '--mca', 'oob_tcp_keepalive_intvl', '1'],
      ...['--mca', 'oob_tcp_keepalive_probes', '3', '--mca', 'mpi_yield_when_idle', '1', ...args],
    ],
    cut: () => run(`ip -n ${hosts[0]} link set ${device(hosts[0])} down`),
    close,
  };
}
