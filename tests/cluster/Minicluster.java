import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.hdfs.MiniDFSCluster;
import org.apache.hadoop.yarn.conf.YarnConfiguration;
import org.apache.hadoop.yarn.server.MiniYARNCluster;

/** HDFS with two DataNodes and YARN with two NodeManagers, until the process is killed. */
public class Minicluster {
  /** Writes the settings of clients into the folder that is given, and then `ready`. */
  public static void main(String[] arguments) throws Exception {
    Path folder = Paths.get(arguments[0]);
    Configuration settings = new YarnConfiguration();
    settings.set(MiniDFSCluster.HDFS_MINIDFS_BASEDIR, folder.resolve("dfs").toString());
    settings.setInt("dfs.replication", 2);
    settings.setBoolean("dfs.permissions.enabled", false);
    MiniDFSCluster hdfs = new MiniDFSCluster.Builder(settings).numDataNodes(2).build();
    hdfs.waitActive();
    String address = hdfs.getFileSystem().getUri().toString();
    settings.set("fs.defaultFS", address);
    String scheduler = "org.apache.hadoop.yarn.server.resourcemanager.scheduler";
    settings.set("yarn.resourcemanager.scheduler.class", scheduler + ".fifo.FifoScheduler");
    settings.setInt("yarn.scheduler.minimum-allocation-mb", 256);
    settings.setInt("yarn.nodemanager.resource.memory-mb", 2560);
    settings.setInt("yarn.nodemanager.resource.cpu-vcores", 2);
    settings.setBoolean("yarn.nodemanager.vmem-check-enabled", false);
    settings.setBoolean("yarn.nodemanager.pmem-check-enabled", false);
    String disks = "yarn.nodemanager.disk-health-checker";
    settings.setFloat(disks + ".max-disk-utilization-per-disk-percentage", 100f);
    MiniYARNCluster yarn = new MiniYARNCluster("graphagg", 2, 1, 1);
    yarn.init(settings);
    yarn.start();
    yarn.waitForNodeManagersToConnect(600_000);
    Configuration found = new Configuration(yarn.getConfig());
    found.set("fs.defaultFS", address);
    found.unset("net.topology.node.switch.mapping.impl"); // a class of tests, which Spark lacks
    for (String name : new String[] {"core-site.xml", "yarn-site.xml"}) {
      try (OutputStream out = Files.newOutputStream(folder.resolve(name))) {
        found.writeXml(out);
      }
    }
    Files.writeString(folder.resolve("draft"), hdfs.getHttpUri(0));
    Files.move(folder.resolve("draft"), folder.resolve("ready"));
    Thread.sleep(Long.MAX_VALUE);
  }
}
