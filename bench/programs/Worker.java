// SPDX-License-Identifier: MIT

import java.security.SecureRandom;
import java.security.Provider;
import java.util.Scanner;

/**
 * A worker (see bench/worker.h) that reads 16 bytes from a SecureRandom: Java's default, or with
 * the argument "example" the one of the class VgetrandomProvider.
 */
public class Worker {
	static SecureRandom random(String kind) throws Exception
	{
		if (!kind.equals("example"))
			return new SecureRandom();
		// By name: before JDK 22 the class cannot be compiled.
		Provider provider = (Provider)Class.forName("VgetrandomProvider")
			.getDeclaredConstructor().newInstance();
		return SecureRandom.getInstance("vgetrandom", provider);
	}

	static void run(SecureRandom random, byte[] buffer, long calls)
	{
		while (calls-- > 0)
			random.nextBytes(buffer);
	}

	public static void main(String[] arguments) throws Exception
	{
		SecureRandom random = random(arguments[0]);
		Scanner in = new Scanner(System.in);
		byte[] buffer = new byte[16];

		// Warm up, because Java compiles code only after it has run often.
		run(random, buffer, 200000);
		System.out.println("{}");
		while (in.hasNextLine()) {
			long calls = Long.parseLong(in.nextLine().split(" ")[2]);
			long start = System.nanoTime();

			run(random, buffer, calls);
			long ns = System.nanoTime() - start;
			System.out.println(ns + " " + ns + " 0");
		}
	}
}
