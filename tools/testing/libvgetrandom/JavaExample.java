// SPDX-License-Identifier: MIT

import java.security.ProviderException;
import java.security.SecureRandom;
import java.security.Security;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.HexFormat;

/**
 * Tests of the example for Java. scripts/tests/java runs them.
 *
 * usage: JavaExample TEST
 */
public class JavaExample {
	static SecureRandom random() throws Exception
	{
		return SecureRandom.getInstance("vgetrandom", new VgetrandomProvider());
	}

	static void check(boolean condition, String what)
	{
		if (!condition)
			throw new AssertionError(what);
	}

	/** Requests of each size write each byte. */
	static void sizes() throws Exception
	{
		SecureRandom random = random();

		for (int size : new int[] { 0, 1, 16, 257, 4095, 4096, 4097, 100000 }) {
			byte[] all = new byte[size];

			for (int i = 0; i < 16; i++) {
				byte[] bytes = new byte[size];

				random.nextBytes(bytes);
				for (int at = 0; at < size; at++)
					all[at] |= bytes[at];
			}
			for (int at = 0; at < size; at++)
				check(all[at] != 0, size + " bytes: byte " + at + " stays zero");
		}
		check(random.generateSeed(33).length == 33, "a seed is too short");
	}

	/** Threads with shared or separate objects never get the same bytes, with any seed. */
	static void threads() throws Exception
	{
		Set<String> seen = ConcurrentHashMap.newKeySet();
		SecureRandom shared = random();
		Thread[] threads = new Thread[8];
		Throwable[] failed = new Throwable[1];

		for (int t = 0; t < threads.length; t++) {
			SecureRandom random = t % 2 == 0 ? shared : random();

			threads[t] = new Thread(() -> {
				for (int i = 0; i < 5000; i++) {
					byte[] bytes = new byte[16];

					random.setSeed(1);
					random.nextBytes(bytes);
					check(seen.add(HexFormat.of().formatHex(bytes)), "16 bytes are repeated");
				}
			});
			threads[t].setUncaughtExceptionHandler((thread, e) -> failed[0] = e);
			threads[t].start();
		}
		for (Thread thread : threads)
			thread.join();
		check(failed[0] == null, "a thread failed: " + failed[0]);
		check(seen.size() == 40000, "only " + seen.size() + " values");
	}

	/** As the first provider, it serves programs that do not name a provider. */
	static void first() throws Exception
	{
		check(!new SecureRandom().getAlgorithm().equals("vgetrandom"), "it is the default already");
		Security.insertProviderAt(new VgetrandomProvider(), 1);
		check(new SecureRandom().getAlgorithm().equals("vgetrandom"), "it is not the default");
	}

	/** The library's calls return at most 7 bytes, all of them 0xa5. */
	static void shortCounts() throws Exception
	{
		byte[] bytes = new byte[5000];

		random().nextBytes(bytes);
		for (byte b : bytes)
			check(b == (byte)0xa5, "a byte does not come from the library");
	}

	/** A request of random fails with this message; if random is null, creating one fails. */
	static void fails(String message, SecureRandom random)
	{
		try {
			(random == null ? random() : random).nextBytes(new byte[16]);
		} catch (ProviderException e) {
			check(e.getMessage().equals(message), "another message: " + e.getMessage());
			return;
		} catch (Exception e) {
			// SecureRandom wraps what the constructor throws.
			Throwable cause = e;

			while (cause.getCause() != null)
				cause = cause.getCause();
			check(cause instanceof ProviderException && cause.getMessage().equals(message),
			      "another message: " + cause);
			return;
		}
		throw new AssertionError("it does not fail");
	}

	public static void main(String[] arguments) throws Exception
	{
		switch (arguments[0]) {
		case "sizes" -> sizes();
		case "threads" -> threads();
		case "first" -> first();
		case "short" -> shortCounts();
		// The library always fails, or fails once the object exists.
		case "never" -> fails("vgetrandom() failed: errno 38", null);
		case "later" -> fails("vgetrandom() failed", random());
		default -> throw new AssertionError("unknown test");
		}
	}
}
